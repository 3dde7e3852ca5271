/** What a record on the wire is, and which verb it belongs to. */

/** The kind of a record: its first byte on the wire (docs/wire-format.md). */
export type Kind = 'message' | 'request' | 'reply' | 'error' | 'cancel' | 'heartbeat' | 'ready';

/** The wire numbers of the kinds; a number is never used twice. */
export const KIND_NUMBERS: Readonly<Record<Kind, number>> = {
  message: 1,
  request: 2,
  reply: 3,
  error: 4,
  cancel: 5,
  heartbeat: 6,
  ready: 7,
};

/** The kinds by their wire number. */
export const KINDS_BY_NUMBER: readonly (Kind | undefined)[] = [
  undefined,
  'message',
  'request',
  'reply',
  'error',
  'cancel',
  'heartbeat',
  'ready',
];

/** What a message is to the application: an event, a pushed task or result, a request, or a reply (also an error reply). */
export type MessagePattern = 'publish' | 'push' | 'request' | 'reply';
