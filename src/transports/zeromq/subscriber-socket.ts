/** SUB and XSUB sockets whose subscriptions all arrive. */
import { Subscriber, XSubscriber } from 'zeromq';
import type { SocketOptions } from 'zeromq';

/**
 * ZMQ_SNDHWM, which the binding has no property for on these sockets. Subscriptions travel through the socket's own send
 * queue and those beyond its mark are silently lost: of 3,000 at once 1,000 arrived, and 1,000 after each reconnect.
 */
const SEND_HIGH_WATER_MARK = 23;
const UNBOUNDED = 0;

/** A SUB socket. */
export class AllSubscriptionsSubscriber extends Subscriber {
  constructor(options: SocketOptions<Subscriber>) {
    super(options);
    this.setInt32Option(SEND_HIGH_WATER_MARK, UNBOUNDED);
  }
}

/** An XSUB socket. */
export class AllSubscriptionsXSubscriber extends XSubscriber {
  constructor(options: SocketOptions<XSubscriber>) {
    super(options);
    this.setInt32Option(SEND_HIGH_WATER_MARK, UNBOUNDED);
  }
}
