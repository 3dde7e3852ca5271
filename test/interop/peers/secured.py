# Reads what a bus signs and seals, and writes what it reads. SUB: connects to argv[1] and says what it could verify and open of the
# topic secret.word; told so, it pushes to argv[2], signed and sealed, and says nothing. argv[3]: audience, argv[4]: keys as JSON.
import base64, json, os, pathlib, struct, sys, time, zmq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import secure_message
from decode_packet import decode_packet


def raw(text):
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


def entry(number, value, is_bytes=False):
    return bytes([number]) + struct.pack('>H', len(value) | (0x8000 if is_bytes else 0)) + value


def blocks(packet):  # the header block of each record, which the decoder does not give
    at, found = 30, []
    for _ in range(struct.unpack_from('>H', packet, 4)[0]):
        length = struct.unpack_from('>H', packet, at)[0]
        found.append(packet[at + 2:at + 2 + length])
        at += 2 + length
        size = struct.unpack_from('>I', packet, at)[0]
        at += 4 + (0 if size & 0x80000000 else size)
    return found


context, audience, keys = zmq.Context(), sys.argv[3].encode(), json.loads(sys.argv[4])
public = Ed25519PublicKey.from_public_bytes(raw(keys['busPublic']))
verifying = {b'h1': raw(keys['hmac']), b's1': public}
roots = {b'e1': raw(keys['aes'])}
private = Ed25519PrivateKey.from_private_bytes(raw(keys['peerPrivate']))

sub, push = context.socket(zmq.SUB), context.socket(zmq.PUSH)
push.linger = 5000
sub.connect(sys.argv[1])
push.connect(sys.argv[2])
sub.subscribe(b'_tb.heartbeat\0')
sub.subscribe(b'secret.word\0')
poller = zmq.Poller()
poller.register(sub, zmq.POLLIN)
poller.register(sys.stdin, zmq.POLLIN)
counter, salt, stream, said = 0, os.urandom(16), os.urandom(8), b''
while True:
    ready = dict(poller.poll())
    if sub in ready:
        topic, *frames = sub.recv_multipart()
        if topic == b'_tb.heartbeat\0':
            continue
        for record, block in zip(decode_packet(frames)['records'], blocks(frames[0])):
            headers, _ = secure_message.split_signature(block)
            sender = record['headers']['sender'].encode()
            secure_message.verify(verifying, audience, 'publish', topic[:-1], block, record['payload'])
            plain = secure_message.unseal(roots, audience, 'publish', topic[:-1], headers, sender, record['payload'])
            print(json.dumps(json.loads(plain)), flush=True)
    if sys.stdin.fileno() not in ready:
        continue
    *lines, said = (said + os.read(0, 65536)).split(b'\n')  # what readline() keeps, poll() does not see
    for told in map(json.loads, lines):
        alg, kid, key = (1, b'h1', raw(keys['hmac'])) if told['alg'] == 'hmac' else (2, b'p1', private)
        topic = b'secret.word'
        headers = b'\1' + entry(1, topic) + entry(11, b'python')
        payload = secure_message.seal(b'e1', roots[b'e1'], salt, counter, audience, 'push', topic, headers, b'python', json.dumps(told['body']).encode())
        nonce = stream + struct.pack('>Q', counter)
        signature = secure_message.sign(alg, kid, key, int(time.time() * 1000), nonce, audience, 'push', topic, headers, payload)
        counter += 1
        block = headers + entry(12, signature, True)
        if told.get('broken'):
            payload = payload[:-1] + bytes([payload[-1] ^ 1])
        head = struct.pack('>2sBBHQQQ', b'TB', 1, 0, 1, 7, counter, int(time.time() * 1e6))
        push.send(head + struct.pack('>H', len(block)) + block + struct.pack('>I', len(payload)) + payload)
