import { FolderStorage } from './folder-storage.js'
import { s3Location } from './s3.js'
import { S3Storage } from './s3-storage.js'
import type { Storage } from './storage.js'

/** @throws EfficientDetError ERR_OUTPUT, ERR_PACKAGE_FILE */
export async function openStorage(out: string): Promise<Storage> {
  const location = s3Location(out)
  return location === null ? FolderStorage.open(out) : S3Storage.open(location)
}
