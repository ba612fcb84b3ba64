/** What sharp's builds decode, by its usual names; a file that is named outright is tried whatever its name. */
const IMAGE_NAME = /\.(jpe?g|jpe|jfif|jif|mpo|png|apng|webp|avif|gif|tiff?)$/i

export function isImageName(name: string): boolean {
  return IMAGE_NAME.test(name)
}
