import { closest } from './closest.js'
import { EfficientDetError } from './errors.js'
import { abridged } from './listing.js'

/** Refuses an object with others than the known names. @throws EfficientDetError ERR_INVALID_OPTION */
export function refuseUnknownNames(what: string, object: object, names: readonly string[]): void {
  for (const name of Object.keys(object)) {
    if (names.includes(name)) continue
    const similar = closest(name, names)
    throw new EfficientDetError(
      'ERR_INVALID_OPTION',
      `There is no option "${abridged(name, 80)}" in ${what}. ` +
        (similar === null ? `Options: ${names.join(', ')}.` : `Did you mean ${similar}?`),
    )
  }
}
