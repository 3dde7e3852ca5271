/**
 * The layers of src, from the inside out: core, then middleware and transports side by side, then the preset, telemetry,
 * testing and the command line.
 *
 * @type {import('dependency-cruiser').IConfiguration}
 */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'A cycle, even of types, means that two files are one idea or that a third is missing.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'core-stands-alone',
      comment: 'The core knows contracts; what fulfils them is handed to it.',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { path: '^src/', pathNot: '^src/(core|types)/' },
    },
    {
      name: 'middleware-knows-no-transport',
      comment: 'A middleware works on every transport: it sees contexts, never sockets.',
      severity: 'error',
      from: { path: '^src/middleware/' },
      to: { path: '^src/', pathNot: '^src/(core|middleware|types)/' },
    },
    {
      name: 'transports-know-the-core-only',
      comment: 'A transport fulfils the contract in the core and knows neither middleware nor the preset.',
      severity: 'error',
      from: { path: '^src/transports/' },
      to: { path: '^src/', pathNot: '^src/(core|transports|types)/' },
    },
    {
      name: 'transports-apart',
      comment: 'One transport does not lean on another.',
      severity: 'error',
      from: { path: '^src/transports/([^/.]+)' },
      to: { path: '^src/transports/', pathNot: '^src/transports/$1' },
    },
    {
      name: 'zeromq-in-its-transport-only',
      comment: 'Nothing else may know of sockets, frames or EAGAIN.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/transports/zeromq/' },
      to: { path: '(^|node_modules/)zeromq(/|$)' },
    },
    {
      name: 'no-native-code-behind-light-entries',
      comment:
        'Importing tracebus/core, /middleware, /memory or /telemetry loads no native code. (/testing gives a MessageBus, which knows ZeroMQ.)',
      severity: 'error',
      from: { path: '^src/(core|middleware|telemetry)/|^src/transports/memory[.]ts$' },
      to: { path: '(^|node_modules/)zeromq(/|$)', reachable: true },
    },
    {
      name: 'opentelemetry-sdk-in-telemetry-only',
      comment:
        'Everything else uses @opentelemetry/api; the SDK is an optional peer that an application may bring itself.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/telemetry/' },
      to: { path: '(^|node_modules/)@opentelemetry/', pathNot: '(^|node_modules/)@opentelemetry/api(/|$)' },
    },
    {
      name: 'no-development-dependency',
      comment: 'What src imports, an installation must have: a dependency or a peer.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['npm', 'npm-peer', 'npm-optional', 'type-only'] },
    },
    {
      name: 'no-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-drawer-files',
      comment: 'Name a file after what it holds.',
      severity: 'error',
      from: {},
      to: { path: '/(util|utils|helper|helpers|misc|common)[.]ts$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.build.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
      extensions: ['.ts', '.js', '.d.ts'],
    },
  },
};
