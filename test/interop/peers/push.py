# PUSH: connects to argv[1] and pushes argv[2] numbered bodies.
import json, sys, zmq

socket = zmq.Context().socket(zmq.PUSH)
socket.connect(sys.argv[1])
for number in range(int(sys.argv[2])):
    socket.send_json({'task': number})
socket.close(linger=5000)
