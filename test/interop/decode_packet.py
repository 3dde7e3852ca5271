import struct

KINDS = (None, 'message', 'request', 'reply', 'error', 'cancel', 'heartbeat', 'ready')
NAMES = (None, 'topic', 'traceparent', 'tracestate', 'baggage', 'content-type', 'message-id', 'correlation',
         'timeout-ms', 'ttl', 'error-code', 'sender', 'signature', 'content-encoding', 'bind', 'attempt')


def decode_headers(block):
    headers, at = {}, 1
    while at < len(block):
        name, at = block[at], at + 1
        if name == 0:  # not a well-known one: its length and its text follow
            name, at = block[at + 1:at + 1 + block[at]].decode('ascii'), at + 1 + block[at]
        else:
            name = NAMES[name]
        (length,), at = struct.unpack_from('>H', block, at), at + 2
        value, at = block[at:at + (length & 0x7fff)], at + (length & 0x7fff)
        headers[name] = value if length & 0x8000 else value.decode('utf-8')
    return headers


def decode_packet(frames):
    packet, extra, at, records = frames[0], list(frames[1:]), 30, []
    magic, version, flags, count, epoch, first, sent = struct.unpack_from('>2sBBHQQQ', packet)
    if (magic, version, flags & 0xfe) != (b'TB', 1, 0):
        raise ValueError('not a packet of version 1')
    topic, sequence, left = None, first, 0  # without runs the topic is in another frame or in a header
    for _ in range(count):
        if flags & 1 and left == 0:  # the next run: its topic, first sequence and number of records
            topic, at = packet[at + 1:at + 1 + packet[at]].decode('utf-8'), at + 1 + packet[at]
            (sequence, left), at = struct.unpack_from('>QH', packet, at), at + 10
        (length,), at = struct.unpack_from('>H', packet, at), at + 2
        block, at = packet[at:at + length], at + length
        (length,), at = struct.unpack_from('>I', packet, at), at + 4
        if length & 0x80000000:  # the payload is the next extra frame
            payload, length = extra.pop(0), length & 0x7fffffff
        else:
            payload, at = packet[at:at + length], at + length
        if len(payload) != length:
            raise ValueError('a payload is shorter or longer than declared')
        records.append(dict(kind=KINDS[block[0]], topic=topic, sequence=sequence, headers=decode_headers(block), payload=payload))
        sequence, left = sequence + 1, left - 1
    if at != len(packet) or extra:
        raise ValueError('bytes or frames are left over')
    return dict(epoch=epoch, first_sequence=first, sent_at_us=sent, records=records)
