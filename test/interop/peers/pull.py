# PULL: binds, says where, and says what it is given.
import json, zmq

socket = zmq.Context().socket(zmq.PULL)
port = socket.bind_to_random_port('tcp://127.0.0.1')
print(json.dumps('tcp://127.0.0.1:%d' % port), flush=True)
while True:
    print(json.dumps(socket.recv_json()), flush=True)
