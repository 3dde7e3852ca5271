/** One service: its topics, handlers, methods and processes. */
import type { Dashboard, Panel, Row } from './grafana.ts';
import {
  counterName,
  ERROR_TYPE,
  gaugeName,
  heat,
  level,
  METHOD,
  OPERATION,
  PATTERN,
  perSecond,
  quantile,
  quantiles,
  rare,
  REASON,
  timedPerSecond,
  TOPIC,
} from './queries.ts';
import type { Query } from './queries.ts';

const PROCESSES = 'job=~"$service", instance=~"$instance"';
const OF_TOPIC = `${PROCESSES}, ${TOPIC}=~"$topic", ${TOPIC}!=""`;
/** A handler's series has its pattern instead of the topic where the pattern has wildcards. */
const OF_HANDLER = `${PROCESSES}, ${TOPIC}=~"$topic", ${PATTERN}=~"$pattern"`;
const OF_METHOD = `${PROCESSES}, ${METHOD}=~"$topic"`;
const BY_TOPIC = ['job', OPERATION, TOPIC];
const BY_HANDLER = ['job', TOPIC, PATTERN];
const BY_METHOD = ['job', METHOD];
const BY_PROCESS = ['job', 'instance'];

const panel = (title: string, description: string, queries: readonly Query[], more: Partial<Panel>): Panel => ({
  title,
  description,
  kind: 'graph',
  unit: 'cps',
  width: 12,
  queries,
  ...more,
});

const handlerLegend = `{{${TOPIC}}}{{${PATTERN}}}`;

const topics: Row = {
  title: 'Topics',
  panels: [
    panel(
      'Sent by topic',
      'Look here for what this service says, and how often: messages a second that the transport accepted. Requests and replies count under their method.',
      [{ expr: perSecond('messagesSent', BY_TOPIC, OF_TOPIC), legend: `{{${OPERATION}}} {{${TOPIC}}}` }],
      {},
    ),
    panel(
      'Received by topic',
      'Look here for what this service hears. A topic that is missing: no subscription, or the publisher is silent.',
      [{ expr: perSecond('messagesReceived', BY_TOPIC, OF_TOPIC), legend: `{{${OPERATION}}} {{${TOPIC}}}` }],
      {},
    ),
    panel(
      'Gaps by topic',
      'Look here when this service lacks events of a topic: how many it missed, a minute.',
      [
        { expr: `60 * ${perSecond('gaps', ['job', TOPIC], OF_TOPIC)}`, legend: `{{${TOPIC}}}` },
        ...rare('gaps', ['job'], PROCESSES, undefined).map(({ expr }) => ({ expr, legend: 'all topics' })),
      ],
      { unit: 'cpm', width: 8 },
    ),
    panel(
      'For nobody',
      'Look here when a topic has no effect: published while nobody was subscribed, or received and matched by no handler, a minute.',
      [
        ...rare('unrouted', ['job'], PROCESSES, undefined).map(({ expr }) => ({ expr, legend: 'unrouted' })),
        ...rare('noHandler', ['job'], PROCESSES, undefined).map(({ expr }) => ({ expr, legend: 'no handler' })),
      ],
      { unit: 'cpm', width: 8 },
    ),
    panel(
      'Sending time by topic',
      'Look here when publish or push of a topic take long; p99. They wait for a full queue: see the processes below.',
      [
        {
          expr: quantile('operation', 0.99, ['job', TOPIC], `${PROCESSES}, ${TOPIC}=~"$topic"`),
          legend: `{{${TOPIC}}}`,
        },
      ],
      { unit: 's', width: 8 },
    ),
  ],
};

const handlers: Row = {
  title: 'Handlers of events and pushed messages',
  panels: [
    panel(
      'Handler time by topic',
      'Look here for the slow handler: p99 by topic, or by the pattern of the subscription where it has wildcards.',
      [{ expr: quantile('process', 0.99, BY_HANDLER, OF_HANDLER), legend: handlerLegend }],
      { unit: 's' },
    ),
    panel(
      'Handler time, all of it',
      'Look here for two groups of messages, fast ones and slow ones, which a quantile hides.',
      heat('process', OF_HANDLER),
      { kind: 'heat', unit: 's' },
    ),
    panel(
      'Handled by outcome',
      'Look here for the share that fails: messages a second; without an error type they went well.',
      [{ expr: timedPerSecond('process', ['job', ERROR_TYPE], OF_HANDLER), legend: '{{job}} {{error_type}}' }],
      { width: 8, traceTags: 'error=true' },
    ),
    panel(
      'Transport lag by topic',
      'Look here when messages of a topic come late: p99 from the hand-over at the sender until this service read them, by two clocks.',
      [{ expr: quantile('transportLag', 0.99, BY_HANDLER, OF_HANDLER), legend: handlerLegend }],
      { unit: 's', width: 8 },
    ),
    panel(
      'Dwell by topic',
      'Look here when messages wait in this service: p99 from when they were read until their handler starts. The concurrency of the subscription is too small, or its handlers are too slow.',
      [{ expr: quantile('dwell', 0.99, BY_HANDLER, OF_HANDLER), legend: handlerLegend }],
      { unit: 's', width: 8 },
    ),
  ],
};

const requests: Row = {
  title: 'Requests',
  panels: [
    panel(
      'Answering time by method',
      'Look here when callers of this service wait: from the request until the reply is queued.',
      quantiles('serverCall', BY_METHOD, OF_METHOD),
      { unit: 's' },
    ),
    panel(
      'Request time by method',
      'Look here when this service waits for others: whole calls, with their retries.',
      quantiles('clientCall', BY_METHOD, OF_METHOD),
      { unit: 's' },
    ),
    panel(
      'Answered by outcome',
      'Look here for methods that fail: answers a second; without an error type they went well. `_OTHER` is a method that nothing is registered for.',
      [
        {
          expr: timedPerSecond('serverCall', [...BY_METHOD, ERROR_TYPE], OF_METHOD),
          legend: `{{${METHOD}}} {{${ERROR_TYPE}}}`,
        },
      ],
      { width: 8, traceTags: 'error=true' },
    ),
    panel(
      'Asked by outcome',
      'Look here for calls of this service that fail, by error type: calls a second.',
      [
        {
          expr: timedPerSecond('clientCall', [...BY_METHOD, ERROR_TYPE], OF_METHOD),
          legend: `{{${METHOD}}} {{${ERROR_TYPE}}}`,
        },
      ],
      { width: 8, traceTags: 'error=true' },
    ),
    panel(
      'Request time-outs by method',
      'Look here for the method that does not answer, a minute; late replies mean that it does, only too slowly.',
      [
        ...rare('requestTimeouts', ['job'], PROCESSES, METHOD),
        ...rare('lateReplies', ['job'], PROCESSES, undefined).map(({ expr }) => ({ expr, legend: 'late replies' })),
      ],
      { unit: 'cpm', width: 8, traceTags: 'error.type=timeout' },
    ),
  ],
};

const failures: Row = {
  title: 'Failures (a minute)',
  panels: [
    panel(
      'Errors by type',
      'Look here first when this service fails; the traces behind a series hold the exceptions.',
      rare('errors', ['job'], PROCESSES, ERROR_TYPE),
      { unit: 'cpm', width: 8, traceTags: 'error=true' },
    ),
    panel(
      'Dropped on the way out',
      'Look here when others miss what this service sent, by error type.',
      rare('outboundDropped', ['job'], PROCESSES, ERROR_TYPE),
      { unit: 'cpm', width: 8, traceTags: 'error=true' },
    ),
    panel(
      'Dropped on the way in',
      'Look here when messages arrive and are not handled, by error type.',
      rare('inboundDropped', ['job'], PROCESSES, ERROR_TYPE),
      { unit: 'cpm', width: 8, traceTags: 'error=true' },
    ),
    panel(
      'Not authentic',
      'Look here when messages to this service are dropped as unverified, by reason: docs/security.md has their usual causes.',
      rare('unverified', ['job'], PROCESSES, REASON),
      { unit: 'cpm', width: 8, traceTags: 'error.type=unverified' },
    ),
  ],
};

const process = (title: string, description: string, key: Parameters<typeof gaugeName>[0]): Panel =>
  panel(title, description, [{ expr: level(key, BY_PROCESS, PROCESSES), legend: '{{instance}}' }], {
    unit: 'short',
    width: 8,
  });

const processes: Row = {
  title: 'Processes',
  panels: [
    process(
      'Queue depth by process',
      'Look here for the process whose messages pile up: it, or its peers, are slow.',
      'queueDepth',
    ),
    process(
      'In-flight handlers by process',
      'Look here for the process that is stuck: a line that stands still at its limit.',
      'inFlightHandlers',
    ),
    process(
      'Endpoints cooling down by process',
      'Look here for the process that cannot reach its peers. One of several: its network or its configuration; all: the peer.',
      'coolingDown',
    ),
    process(
      'Open sockets by process',
      'Look here for a process that opens buses and does not close them.',
      'activeConnections',
    ),
    panel(
      'Back-pressure by process',
      'Look here for the process whose calls wait: they found their queue full, a minute.',
      rare('backpressureEvents', BY_PROCESS, PROCESSES, undefined),
      { unit: 'cpm', width: 8 },
    ),
    panel(
      'Retries, reconnects, subscribers left behind',
      'Look here when the service is well one minute and not the next: unsteady links show as reconnects and retries, a minute.',
      [
        ...rare('retries', ['job'], PROCESSES, undefined).map(({ expr }) => ({ expr, legend: 'retries' })),
        ...rare('reconnects', ['job'], PROCESSES, undefined).map(({ expr }) => ({ expr, legend: 'reconnects' })),
        ...rare('subscribersLeftBehind', ['job'], PROCESSES, undefined).map(({ expr }) => ({
          expr,
          legend: 'left behind',
        })),
      ],
      { unit: 'cpm', width: 8 },
    ),
  ],
};

const ANY_TOPIC = `{__name__=~"${counterName('messagesSent')}|${counterName('messagesReceived')}", job=~"$service"}`;

export const service: Dashboard = {
  uid: 'tracebus-service',
  title: 'tracebus: one service',
  description: 'What one service sends, receives and handles, by topic and process.',
  variables: [
    {
      name: 'service',
      label: 'Service',
      description: 'job: the service.name',
      values: `label_values(${gaugeName('activeConnections')}, job)`,
    },
    {
      name: 'instance',
      label: 'Process',
      description: 'instance: the service.instance.id, or the address that is scraped',
      values: `label_values(${gaugeName('activeConnections')}{job=~"$service"}, instance)`,
      all: '.+',
    },
    {
      name: 'topic',
      label: 'Topic or method',
      description: 'Topics of events and pushed messages, methods of requests',
      values: `label_values(${ANY_TOPIC}, ${TOPIC})`,
      all: '.*',
    },
    {
      name: 'pattern',
      label: 'Pattern',
      description: 'Patterns of subscriptions with wildcards, whose handlers are timed together',
      values: `label_values({__name__=~"messaging_process_duration(_seconds)?_count", job=~"$service"}, ${PATTERN})`,
      all: '.*',
    },
  ],
  rows: [topics, handlers, requests, failures, processes],
};
