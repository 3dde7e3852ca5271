# REQ: connects to argv[1] and asks what it is told, line by line; with "relaxed" (REQ_RELAXED and REQ_CORRELATE) it asks
# the next thing when 300 ms have brought no answer to the last one.
import json, sys, zmq

relaxed = 'relaxed' in sys.argv
socket = zmq.Context().socket(zmq.REQ)
socket.linger = 0
if relaxed:
    socket.setsockopt(zmq.REQ_CORRELATE, 1)
    socket.setsockopt(zmq.REQ_RELAXED, 1)
socket.connect(sys.argv[1])
for line in sys.stdin:
    socket.send_string(line.strip())
    answered = socket.poll(300 if relaxed else 10000)
    print(json.dumps(socket.recv_json() if answered else 'no answer'), flush=True)
