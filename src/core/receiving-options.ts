/** What differs between the receiving channels of the patterns. */
import type { Operation } from './counters.ts';
import type { MessagePattern } from './kinds.ts';
import type { ReceiveSpec, Receiver } from './transport.ts';

/** How a receiving channel is made. */
export interface ReceivingOptions {
  readonly operation: Operation;
  readonly pattern: MessagePattern;
  readonly endpoint: string;
  readonly mode: 'bind' | 'connect';
  readonly hwmPackets: number;
  open(spec: ReceiveSpec): Promise<Receiver>;
}
