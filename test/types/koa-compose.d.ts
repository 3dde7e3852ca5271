/** koa-compose 4.2.0 in one declaration: `@types/koa-compose` would bring the types of the whole of Koa with it. */
declare module 'koa-compose' {
  /** Makes one function of a list of `(context, next)` middleware. Calling `next()` twice in one middleware rejects. */
  export default function compose<Context>(
    middleware: readonly ((context: Context, next: () => Promise<void>) => unknown)[],
  ): (context: Context) => Promise<void>;
}
