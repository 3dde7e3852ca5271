# SUB: connects to argv[1], subscribes to the native topic argv[2] (a prefix where it ends in a dot) and to the heartbeats, by which a publisher counts its
# native subscribers, decodes the packets, and says what is in those of the topic.
import base64, json, pathlib, sys, zmq

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from decode_packet import decode_packet


def text(value):
    return {'base64': base64.b64encode(value).decode()} if isinstance(value, bytes) else value


socket = zmq.Context().socket(zmq.SUB)
socket.connect(sys.argv[1])
socket.subscribe(b'_tb.heartbeat\0')
socket.subscribe(sys.argv[2].encode() + (b'' if sys.argv[2].endswith('.') else b'\0'))
while True:
    topic, *frames = socket.recv_multipart()
    packet = decode_packet(frames)
    for record in packet['records']:
        record['headers'] = {name: text(value) for name, value in record['headers'].items()}
        record['payload'] = text(record['payload'])
    if topic == b'_tb.heartbeat\0':
        continue
    print(json.dumps(dict(packet, topic=topic.decode(), frames=len(frames))), flush=True)
