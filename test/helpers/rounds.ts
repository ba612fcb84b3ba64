/** How often a test repeats what it does: fewer times in `npm test` than in `npm run test:all`. */
export function rounds({ quick, all }: { readonly quick: number; readonly all: number }): number {
  return process.env.MODE === 'all' ? all : quick
}
