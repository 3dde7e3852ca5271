/**
 * Rows for signed and encrypted messages. They are not in rows.ts yet, because the steps are not in `tracebus/middleware` yet: once they are,
 * peers/systems/tracebus.ts puts them into the stack where `variant.secured` asks for it, and ROWS and the workload publish-100b take these in.
 */
import type { Row } from './rows.ts';

export const SECURED_ROWS: Readonly<Record<'signed' | 'encrypted', Row>> = {
  signed: { label: 'tracebus, signed', system: 'tracebus', variant: { secured: 'signed' } },
  encrypted: { label: 'tracebus, encrypted', system: 'tracebus', variant: { secured: 'encrypted' } },
};
