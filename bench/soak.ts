/**
 * `npm run bench:soak`: does memory stay flat? At half of full load for most of the time, then at full load beside a subscriber that stands
 * still, a handler that is slow and a responder that has died; and do queues stop at their marks, in messages and in bytes? Ends with 1
 * when a bound is violated.
 *
 *   --minutes N      10 by default      --markdown FILE   fills the place of the soak in a page
 *   --only PART      the scenes whose title contains it
 */
import { parseArgs } from 'node:util';
import { commit, machine } from './machine.ts';
import { PeerProcess } from './peer-process.ts';
import type { Reply } from './peer-process.ts';
import type { SoakPart, SoakSpec } from './peers/soak.ts';
import { figure, fillMarkers, tableOf } from './report.ts';
import { MARKS, SCENES } from './soak-scenes.ts';
import type { QueueMark, Scene } from './soak-scenes.ts';
import { LIMITS, trendOf, violations } from './soak-bounds.ts';
import type { Sample } from './soak-bounds.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    markdown: { type: 'string' },
    only: { type: 'string', default: '' },
  },
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new RangeError(`Expected --minutes to be a number above 0, got ${values.minutes}`);

const SAMPLES = 60;
const CALIBRATION_MS = 3000;
const BYTES = 100;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const mib = (bytes: number): string => `${figure(bytes / 2 ** 20)} MiB`;

const start = (spec: SoakSpec): Promise<PeerProcess> =>
  PeerProcess.startScript('soak', JSON.stringify(spec), ['--expose-gc']);

const HEAD = [
  'scene',
  'process',
  'messages or calls',
  'heap growth',
  'external growth',
  'RSS',
  'last / first quarter',
  '',
];
const rows: string[][] = [];
const faults: string[] = [];

async function play(scene: Scene): Promise<void> {
  console.log(`\n${scene.title}`);
  const peers = new Map<SoakPart, PeerProcess>();
  try {
    peers.set(scene.first, await start({ part: scene.first, address: '', bytes: BYTES }));
    const address = peers.get(scene.first)?.address ?? '';
    for (const part of scene.others) peers.set(part, await start({ part, address, bytes: BYTES }));
    const driver = peers.get(scene.driver) as PeerProcess;
    await driver.ask(`pace ${scene.load === 1 ? '0' : String((await fullSpeed(driver)) * scene.load)}`);
    if (scene.dies !== undefined) {
      await pause(CALIBRATION_MS);
      await peers.get(scene.dies)?.kill();
      peers.delete(scene.dies);
    }
    const samples = await watch(peers, minutes * 60_000 * scene.share);
    for (const [part, { list, done }] of samples) judge(scene, part, list, done);
  } finally {
    await Promise.all([...peers.values()].map((peer) => peer.kill()));
  }
}

/** What the driver can do in a second. */
async function fullSpeed(driver: PeerProcess): Promise<number> {
  await driver.ask('pace 0');
  await pause(CALIBRATION_MS);
  const before = Number((await driver.ask('sample'))['done']);
  const started = performance.now();
  await pause(CALIBRATION_MS);
  const after = Number((await driver.ask('sample'))['done']);
  return ((after - before) / (performance.now() - started)) * 1000;
}

interface Watched {
  readonly list: Sample[];
  done: number;
}

async function watch(peers: ReadonlyMap<SoakPart, PeerProcess>, ms: number): Promise<Map<SoakPart, Watched>> {
  const watched = new Map<SoakPart, Watched>([...peers.keys()].map((part) => [part, { list: [], done: 0 }]));
  const started = performance.now();
  for (let i = 0; i < SAMPLES; i++) {
    await pause(Math.max(0, (ms * (i + 1)) / SAMPLES - (performance.now() - started)));
    for (const [part, peer] of peers) {
      const reply = await peer.ask('sample');
      const at = watched.get(part) as Watched;
      at.done = Number(reply['done']) + Number(reply['failed']);
      at.list.push(sampleOf(reply, (performance.now() - started) / 1000));
    }
  }
  return watched;
}

function sampleOf(reply: Reply, seconds: number): Sample {
  const of = (name: string): number => Number(reply[name]);
  return { seconds, heapUsed: of('heapUsed'), external: of('external'), rss: of('rss') };
}

function judge(scene: Scene, part: SoakPart, samples: readonly Sample[], done: number): void {
  const trend = trendOf(samples);
  const broken = violations(trend, scene.load === 1 ? LIMITS.full : LIMITS.half);
  if (done === 0) broken.push('did nothing');
  faults.push(...broken.map((fault) => `${scene.title}, ${part}: ${fault}`));
  const growth = [mib(trend.heapGrowth), mib(trend.externalGrowth)];
  const row = [
    scene.title,
    part,
    figure(done),
    ...growth,
    mib(trend.rssMean),
    figure(trend.rssRatio),
    broken.join(', '),
  ];
  row[row.length - 1] = broken.length === 0 ? 'flat' : `**${broken.join(', ')}**`;
  rows.push(row);
  console.log(`  ${row.slice(1).join(', ')}`);
}

const MARKS_TITLE = 'queues of a publisher that waits for a stopped subscriber';
const MARK_HEAD = ['queue mark', 'most that was queued', 'most memory after a collection', ''];
const markRows: string[][] = [];
const MARK_SAMPLES = 40;
const MARK_SAMPLE_MS = 500;

/** Thousands of callers publish to a subscriber whose process is stopped: the queue must fill up to its mark, and no further. */
async function fillQueue({ bytes, most, of }: QueueMark): Promise<void> {
  const publisher = await start({ part: 'waiting-publisher', address: '', bytes });
  const subscriber = await start({ part: 'subscriber', address: publisher.address, bytes });
  try {
    subscriber.suspend();
    await publisher.ask('pace 0');
    const samples: Sample[] = [];
    let mostQueued = 0;
    for (let i = 0; i < MARK_SAMPLES; i++) {
      await pause(MARK_SAMPLE_MS);
      const reply = await publisher.ask('sample');
      mostQueued = Number(reply['mostQueued']);
      samples.push(sampleOf(reply, (i * MARK_SAMPLE_MS) / 1000));
    }
    const held = Math.max(...samples.map(({ heapUsed, external }) => heapUsed + external));
    const broken = violations(trendOf(samples), LIMITS.full).filter((fault) => !fault.startsWith('RSS'));
    if (mostQueued > most) broken.push(`more than ${figure(most)}`);
    if (mostQueued < most * 0.9) broken.push('never filled');
    faults.push(...broken.map((fault) => `queue of ${of}: ${fault}`));
    const verdict = broken.length === 0 ? 'bounded' : `**${broken.join(', ')}**`;
    markRows.push([of, String(mostQueued), mib(held), verdict]);
    console.log(`  ${of}: ${String(mostQueued)} queued, held ${mib(held)}: ${verdict}`);
  } finally {
    await Promise.all([publisher.kill(), subscriber.kill()]);
  }
}

console.log(machine());
const { only, markdown } = values;
if (only !== '' && markdown !== undefined) throw new RangeError('only a whole soak goes into a page: leave --only out');
const isPlayed = (title: string): boolean => title.includes(only);
for (const scene of SCENES) if (isPlayed(scene.title)) await play(scene);
if (isPlayed(MARKS_TITLE)) {
  console.log(`\n${MARKS_TITLE}`);
  for (const mark of MARKS) await fillQueue(mark);
}
if (rows.length + markRows.length === 0) throw new RangeError(`no scene's title contains "${only}"`);

const section = [
  `${machine()}; commit ${commit()}; ${figure(minutes)} minutes.`,
  ...(rows.length > 0 ? [tableOf(HEAD, rows)] : []),
  ...(markRows.length > 0 ? [tableOf(MARK_HEAD, markRows)] : []),
].join('\n\n');
console.log(`\n${section}`);
if (markdown !== undefined) await fillMarkers(markdown, 'bench:soak', section);
for (const fault of faults) console.error(`violated: ${fault}`);
if (faults.length > 0) process.exitCode = 1;
