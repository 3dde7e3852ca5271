/** The bus as a whole: every metric of the tables, by service. */
import type { Dashboard, Panel, Row } from './grafana.ts';
import {
  ERROR_TYPE,
  gaugeName,
  heat,
  inRange,
  legendOf,
  level,
  OPERATION,
  perSecond,
  quantiles,
  rare,
  REASON,
  TOPIC,
} from './queries.ts';

const WHERE = 'job=~"$service"';
const BY = ['job'];
const BY_OPERATION = ['job', OPERATION];
const ERRORS = 'error=true';

type Text = Pick<Panel, 'title' | 'description'>;

const number = (text: Text, expr: string, more: Partial<Panel>): Panel => ({
  kind: 'number',
  unit: 'short',
  width: 3,
  queries: [{ expr, legend: text.title }],
  ...text,
  ...more,
});
const graph = (text: Text, queries: Panel['queries'], more: Partial<Panel>): Panel => ({
  kind: 'graph',
  unit: 'cpm',
  width: 8,
  queries,
  ...text,
  ...more,
});

const alarm = (title: string, description: string, expr: string): Panel =>
  number({ title, description }, expr, { alarming: true });

const well: Row = {
  title: 'Is it well?',
  panels: [
    number(
      {
        title: 'Sent',
        description:
          'Messages a second that transports accepted. 0 while services run: nothing is published, or telemetry started after the bus.',
      },
      `sum(${perSecond('messagesSent', BY, WHERE)})`,
      { unit: 'cps' },
    ),
    number(
      {
        title: 'Received',
        description:
          'Messages a second that arrived. Far below what is sent: look at gaps, drops and unrouted events. Above it: events with several subscribers.',
      },
      `sum(${perSecond('messagesReceived', BY, WHERE)})`,
      { unit: 'cps' },
    ),
    alarm('Errors', 'Failures in the time range shown. Not 0: "Errors by type" says which.', inRange('errors', WHERE)),
    alarm(
      'Dropped going out',
      'Messages given up on the way out in the time range shown. Not 0: "Dropped on the way out".',
      inRange('outboundDropped', WHERE),
    ),
    alarm(
      'Dropped coming in',
      'Messages that arrived and reached no handler in the time range shown. Not 0: "Dropped on the way in".',
      inRange('inboundDropped', WHERE),
    ),
    alarm(
      'Unanswered requests',
      'Requests without a reply in the time range shown. Not 0: "Request time-outs".',
      inRange('requestTimeouts', WHERE),
    ),
    alarm(
      'Missed events',
      'Events that subscribers know they have missed in the time range shown. Not 0: "Gaps".',
      inRange('gaps', WHERE),
    ),
    alarm(
      'Dead endpoints',
      'Endpoints that failed and are left alone now. Not 0: "Endpoints cooling down".',
      `sum(${level('coolingDown', BY, WHERE)})`,
    ),
  ],
};

const traffic: Row = {
  title: 'Traffic',
  panels: [
    graph(
      {
        title: 'Sent by pattern',
        description:
          'Look here when a service is suspected to be silent: publish, push, request and respond (replies) a second, as accepted by the transport.',
      },
      [{ expr: perSecond('messagesSent', BY_OPERATION, `${WHERE}, ${OPERATION}!=""`), legend: legendOf(BY_OPERATION) }],
      { unit: 'cps', width: 12 },
    ),
    graph(
      {
        title: 'Received by pattern',
        description:
          'Look here when a service seems to get nothing: subscribe, pull, respond (requests) and request (replies) a second.',
      },
      [
        {
          expr: perSecond('messagesReceived', BY_OPERATION, `${WHERE}, ${OPERATION}!=""`),
          legend: legendOf(BY_OPERATION),
        },
      ],
      { unit: 'cps', width: 12 },
    ),
    graph(
      {
        title: 'Publishes and pushes attempted',
        description:
          'Look here for the share of sends that fail: attempts a second, those given up by their error type.',
      },
      [
        { expr: perSecond('sentMessages', BY, WHERE), legend: '{{job}}: all' },
        {
          expr: perSecond('sentMessages', ['job', ERROR_TYPE], `${WHERE}, ${ERROR_TYPE}!=""`),
          legend: '{{job}}: {{error_type}}',
        },
      ],
      { unit: 'cps', traceTags: ERRORS },
    ),
    graph(
      {
        title: 'Delivered to the application',
        description:
          'Look here when work does not get done: events and pushed messages a second that were received for a handler.',
      },
      [
        {
          expr: perSecond('consumedMessages', BY_OPERATION, `${WHERE}, ${OPERATION}!=""`),
          legend: legendOf(BY_OPERATION),
        },
      ],
      { unit: 'cps' },
    ),
    graph(
      {
        title: 'For nobody',
        description:
          'Look here when a message has no effect. Unrouted: nobody was subscribed to the topic (a subscriber that came too late, a misspelt topic). No handler: it arrived, and no pattern matches it.',
      },
      [
        ...rare('unrouted', BY, WHERE, undefined).map(({ expr }) => ({ expr, legend: '{{job}}: unrouted' })),
        ...rare('noHandler', BY, WHERE, undefined).map(({ expr }) => ({ expr, legend: '{{job}}: no handler' })),
      ],
      {},
    ),
  ],
};

const losses: Row = {
  title: 'Losses and failures (a minute)',
  panels: [
    graph(
      {
        title: 'Errors by type',
        description:
          'Look here first when something fails. The types are those of docs/errors.md; the traces behind a series hold the exceptions. Alert: TracebusErrors.',
      },
      rare('errors', BY, WHERE, ERROR_TYPE),
      { traceTags: ERRORS },
    ),
    graph(
      {
        title: 'Dropped on the way out',
        description:
          'Look here when receivers miss what a service sent. send_timeout: no peer took it in time; cooling_down: the endpoint is dead; closed: still queued at the end. Alert: TracebusOutboundDropped.',
      },
      rare('outboundDropped', BY, WHERE, ERROR_TYPE),
      { traceTags: ERRORS },
    ),
    graph(
      {
        title: 'Dropped on the way in',
        description:
          'Look here when messages arrive and are not handled. overflow: handlers too slow; expired, late_reply: too late; rejected, validation_failed, malformed_packet: sender and receiver disagree. Alert: TracebusInboundDropped.',
      },
      rare('inboundDropped', BY, WHERE, ERROR_TYPE),
      { traceTags: ERRORS },
    ),
    graph(
      {
        title: 'Request time-outs',
        description:
          'Look here when callers wait in vain; then at the answering time and the in-flight handlers of the responder. Alert: TracebusRequestTimeouts.',
      },
      rare('requestTimeouts', BY, WHERE, 'rpc_method'),
      { traceTags: 'error.type=timeout' },
    ),
    graph(
      {
        title: 'Gaps',
        description:
          'Look here when a subscriber lacks events: how many it missed, by topic. Then at "Subscribers left behind" of the publisher and at reconnects. Alert: TracebusGaps.',
      },
      rare('gaps', BY, WHERE, TOPIC),
      {},
    ),
    graph(
      {
        title: 'Subscribers left behind',
        description:
          'Look here when there are gaps: a publisher did not wait any longer for subscribers that do not read. Alert: TracebusSubscribersLeftBehind.',
      },
      rare('subscribersLeftBehind', BY, WHERE, undefined),
      {},
    ),
    graph(
      {
        title: 'Retries',
        description:
          'Look here when latency rises without a reason: attempts after the first, by what made them necessary.',
      },
      rare('retries', BY, WHERE, ERROR_TYPE),
      { traceTags: ERRORS },
    ),
    graph(
      {
        title: 'Late replies',
        description:
          'Look here when requests time out: replies that came after all mean that the responder works, only slower than requestTimeoutMs.',
      },
      rare('lateReplies', BY, WHERE, undefined),
      {},
    ),
    graph(
      {
        title: 'Links refused',
        description:
          'Look here when a service cannot be reached: binds that failed (the port is taken), and connections refused at the handshake (keys do not fit, or a stranger). Alert: TracebusHandshakeFailures.',
      },
      [
        ...rare('failedBindCount', BY, WHERE, undefined).map(({ expr }) => ({ expr, legend: '{{job}}: failed binds' })),
        ...rare('handshakeFailures', BY, WHERE, undefined).map(({ expr }) => ({ expr, legend: '{{job}}: handshakes' })),
      ],
      {},
    ),
    graph(
      {
        title: 'Not authentic',
        description:
          'Look here when messages are dropped as unverified: what sign and encrypt refused, by reason. The reasons and their usual causes are in docs/security.md. Alert: TracebusUnverified.',
      },
      rare('unverified', BY, WHERE, REASON),
      { traceTags: 'error.type=unverified' },
    ),
  ],
};

const latency: Row = {
  title: 'Latency',
  panels: [
    {
      title: 'Handler time, all of it',
      description:
        'Look here for two groups of messages, fast ones and slow ones, which a quantile hides. Events and pushed messages, until their handlers have settled.',
      kind: 'heat',
      unit: 's',
      width: 12,
      queries: heat('process', WHERE),
    },
    {
      title: 'Answering time, all of it',
      description:
        'Look here for two groups of requests, fast ones and slow ones. On the side of the responder, until the reply is queued.',
      kind: 'heat',
      unit: 's',
      width: 12,
      queries: heat('serverCall', WHERE),
    },
    graph(
      {
        title: 'Handler time',
        description:
          'Look here when messages pile up or gaps appear: one slow handler holds up its subscription. Alert: TracebusSlowHandlers.',
      },
      quantiles('process', BY, WHERE),
      { unit: 's' },
    ),
    graph(
      {
        title: 'Sending time',
        description:
          'Look here when publish or push take long: they wait for a full queue. Then at back-pressure and queue depth.',
      },
      quantiles('operation', BY, WHERE),
      { unit: 's' },
    ),
    graph(
      {
        title: 'Request time',
        description:
          'Look here when callers are slow: a whole call, with its retries. The difference to the answering time is queues and network.',
      },
      quantiles('clientCall', BY, WHERE),
      { unit: 's' },
    ),
    graph(
      {
        title: 'Answering time',
        description:
          'Look here when requests are slow: the part that the responder takes. Alert: TracebusSlowResponders.',
      },
      quantiles('serverCall', BY, WHERE),
      { unit: 's' },
    ),
    graph(
      {
        title: 'Transport lag',
        description:
          'Look here when messages come late although handlers are fast: from the hand-over at the sender until it was read, by two clocks. It grows in queues of the network and of a receiver that does not read.',
      },
      quantiles('transportLag', BY, WHERE),
      { unit: 's' },
    ),
    graph(
      {
        title: 'Dwell',
        description:
          'Look here when transport lag is small and messages are handled late: they wait in the receiver for a free handler. Raise the concurrency, or make handlers faster.',
      },
      quantiles('dwell', BY, WHERE),
      { unit: 's' },
    ),
  ],
};

const gauge = (title: string, description: string, key: Parameters<typeof gaugeName>[0]): Panel =>
  graph({ title, description }, [{ expr: level(key, BY, WHERE), legend: '{{job}}' }], { unit: 'short' });

const saturation: Row = {
  title: 'Saturation and connections',
  panels: [
    gauge(
      'Queue depth',
      'Look here when sending is slow or drops: messages waiting in outgoing queues. At hwmOutbound (1000 by default, per endpoint) callers wait. Alert: TracebusQueueNearlyFull.',
      'queueDepth',
    ),
    graph(
      {
        title: 'Back-pressure',
        description:
          'Look here when publish, push or request wait: calls that found their queue full, a minute. The peers take less than is sent.',
      },
      rare('backpressureEvents', BY, WHERE, OPERATION),
      {},
    ),
    gauge(
      'In-flight handlers',
      'Look here when a service is slow or stuck: messages taken in and not settled. A line that stands still at its limit is a deadlock or a handler that never ends.',
      'inFlightHandlers',
    ),
    gauge(
      'Endpoints cooling down',
      'Look here when calls are rejected with COOLING_DOWN: endpoints that failed and are left alone now; the log names them. Alert: TracebusEndpointCoolingDown.',
      'coolingDown',
    ),
    graph(
      {
        title: 'Cool-downs',
        description: 'Look here for endpoints that fail now and then: how often one was left alone, a minute.',
      },
      rare('coolDowns', BY, WHERE, OPERATION),
      {},
    ),
    gauge(
      'Open sockets',
      'Look here after a deployment: sockets that buses hold open, not peers. One that keeps rising is a bus that is made again and again and never closed.',
      'activeConnections',
    ),
    graph(
      {
        title: 'Reconnects',
        description:
          'Look here when there are gaps or time-outs without load: links that were lost and made again, a minute. A peer restarts, or the network fails.',
      },
      rare('reconnects', BY, WHERE, undefined),
      {},
    ),
  ],
};

export const overview: Dashboard = {
  uid: 'tracebus-overview',
  title: 'tracebus: overview',
  description: 'Every metric of the bus, by service. Begin with the top row; each panel says when to look at it.',
  variables: [
    {
      name: 'service',
      label: 'Service',
      description: 'job: the service.name',
      values: `label_values(${gaugeName('activeConnections')}, job)`,
      all: '.+',
    },
  ],
  rows: [well, traffic, losses, latency, saturation],
};
