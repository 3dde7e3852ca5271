# PUB: binds, says where, and publishes [topic, JSON] until its input ends.
import json, select, sys, zmq

socket = zmq.Context().socket(zmq.PUB)
socket.linger = 0
port = socket.bind_to_random_port('tcp://127.0.0.1')
print(json.dumps('tcp://127.0.0.1:%d' % port), flush=True)
number = 0
while not select.select([sys.stdin], [], [], 0.002)[0]:
    socket.send_multipart([b'price.tick', json.dumps({'n': number, 'from': 'python'}).encode()])
    number += 1
