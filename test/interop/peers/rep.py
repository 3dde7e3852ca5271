# REP: binds, says where, and answers everything with its own name (argv[1]) and what it was asked.
import json, sys, zmq

socket = zmq.Context().socket(zmq.REP)
port = socket.bind_to_random_port('tcp://127.0.0.1')
print(json.dumps('tcp://127.0.0.1:%d' % port), flush=True)
while True:
    asked = socket.recv_json()
    if asked == 'fail':
        socket.send_json({'error': {'code': 'E_PYTHON', 'message': 'as you wished'}})
    else:
        socket.send_json({'server': sys.argv[1], 'asked': asked})
