/**
 * koa-compose 4.2.0 in one declaration: `@types/koa-compose` would bring the types of the whole of Koa with it.
 *
 * Keep these types inside the package. A declaration file is not emitted to dist, so a public type that named them would not resolve for users.
 */
declare module 'koa-compose' {
  /**
   * Makes one function of a list of `(context, next)` middleware. Calling `next()` twice in one middleware rejects.
   * The list is copied, nested lists flattened; the last `next()` calls the second argument, if there is one.
   */
  export default function compose<Context>(
    middleware: readonly ((context: Context, next: () => Promise<void>) => unknown)[],
  ): (context: Context, next?: () => unknown) => Promise<void>;
}
