/** gRPC by @grpc/grpc-js: a unary call, the same body as a protobuf message, a traceparent as metadata. */
import { fileURLToPath } from 'node:url';
import { load } from '../packages.ts';
import type { System } from '../system.ts';

interface Metadata {
  set(name: string, value: string): void;
}

interface Client {
  Same(body: unknown, metadata: Metadata, done: (error: Error | null, reply: unknown) => void): unknown;
  close(): void;
}

interface Server {
  addService(service: unknown, methods: object): void;
  bindAsync(address: string, credentials: unknown, done: (error: Error | null, port: number) => void): void;
  forceShutdown(): void;
}

interface Grpc {
  readonly Metadata: new () => Metadata;
  readonly Server: new () => Server;
  readonly credentials: { createInsecure(): unknown };
  readonly ServerCredentials: { createInsecure(): unknown };
  loadPackageDefinition(definition: unknown): {
    bench: { Echo: (new (address: string, credentials: unknown) => Client) & { service: unknown } };
  };
}

const PROTO = fileURLToPath(new URL('./echo.proto', import.meta.url));
const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

function modules(packages: string): { grpc: Grpc; Echo: ReturnType<Grpc['loadPackageDefinition']>['bench']['Echo'] } {
  const grpc = load(packages, '@grpc/grpc-js') as Grpc;
  const loader = load(packages, '@grpc/proto-loader') as { loadSync(file: string): unknown };
  return { grpc, Echo: grpc.loadPackageDefinition(loader.loadSync(PROTO)).bench.Echo };
}

export const system: System = {
  openRequester({ packages, address }) {
    const { grpc, Echo } = modules(packages);
    const client = new Echo(address, grpc.credentials.createInsecure());
    const ask = (body: unknown): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const metadata = new grpc.Metadata();
        metadata.set('traceparent', TRACEPARENT);
        client.Same(body, metadata, (error, reply) => {
          if (error === null) resolve(reply);
          else reject(error);
        });
      });
    return Promise.resolve({ ask, close: () => Promise.resolve().then(() => client.close()) });
  },

  async openResponder({ packages }) {
    const { grpc, Echo } = modules(packages);
    const server = new grpc.Server();
    server.addService(Echo.service, {
      Same: ({ request }: { request: unknown }, done: (error: null, reply: unknown) => void) => done(null, request),
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
    return { address: `127.0.0.1:${String(port)}`, close: () => Promise.resolve().then(() => server.forceShutdown()) };
  },
};
