/**
 * Which Python the interop tests use: `TRACEBUS_PYTHON` if it is set, else /usr/bin/python3 if that one can import zmq and
 * cryptography (Debian's python3-zmq and python3-cryptography serve it, whatever other python3 stands first on the PATH), else `python3` from the PATH.
 */
import { spawnSync } from 'node:child_process';

/** A Python that imports both, or an error that says how to get one. The tests need it: there is nothing to skip. */
export function findPython(): string {
  const wanted = process.env['TRACEBUS_PYTHON'];
  const candidates = wanted ? [wanted] : ['/usr/bin/python3', 'python3'];
  const found = candidates.find((python) => spawnSync(python, ['-c', 'import cryptography, zmq']).status === 0);
  if (found !== undefined) return found;
  throw new Error(
    `Expected a Python that can \`import cryptography, zmq\`, tried ${candidates.join(' and ')}. ` +
      'Install it (Debian and Ubuntu: apt-get install python3-zmq python3-cryptography; elsewhere: pip install pyzmq cryptography) or set TRACEBUS_PYTHON.',
  );
}
