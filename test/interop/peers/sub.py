# SUB: connects to argv[1], subscribes to argv[2], and says what arrives.
import json, sys, zmq

socket = zmq.Context().socket(zmq.SUB)
socket.connect(sys.argv[1])
socket.subscribe(sys.argv[2])
while True:
    topic, body = socket.recv_multipart()
    print(json.dumps([topic.decode(), json.loads(body)]), flush=True)
