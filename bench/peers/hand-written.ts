/**
 * The loop that people write by hand with zeromq.js: three frames [topic, JSON header with a traceparent, JSON body],
 * encoded and parsed. `publish COUNT` or `subscribe ENDPOINT COUNT`; the parent reads one JSON line from each.
 */
import { Publisher, Subscriber } from 'zeromq';
import { bodyOf } from '../body.ts';

const TOPIC = 'price.tick';
const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const [role, ...args] = process.argv.slice(2);

async function publish(count: number): Promise<void> {
  // High enough that PUB, which drops without a word, keeps what a loop sends here.
  const socket = new Publisher({ sendHighWaterMark: 1_000_000 });
  socket.bindSync('tcp://127.0.0.1:*');
  console.log(JSON.stringify({ endpoint: socket.lastEndpoint }));
  await new Promise((resolve) => process.stdin.once('data', resolve));
  const started = performance.now();
  for (let i = 0; i < count; i++) {
    const header = JSON.stringify({ traceparent: TRACEPARENT, id: i });
    await socket.send([TOPIC, header, JSON.stringify(bodyOf(i))]);
  }
  console.log(JSON.stringify({ ms: performance.now() - started }));
  await new Promise((resolve) => process.stdin.once('data', resolve));
  socket.close();
}

async function subscribe(endpoint: string, count: number): Promise<void> {
  const socket = new Subscriber({ receiveHighWaterMark: 1_000_000 });
  socket.connect(endpoint);
  socket.subscribe(TOPIC);
  console.log(JSON.stringify({ ready: true }));
  let first = 0;
  let seen = 0;
  let sum = 0;
  for await (const [, header, body] of socket) {
    if (seen === 0) first = performance.now();
    const { id } = JSON.parse(String(header)) as { id: number };
    const { price } = JSON.parse(String(body)) as { price: number };
    sum += price + id;
    if (++seen === count) break;
  }
  console.log(JSON.stringify({ seen, ms: performance.now() - first, sum }));
  socket.close();
}

if (role === 'publish') await publish(Number(args[0]));
else await subscribe(args[0] ?? '', Number(args[1]));
