/** This package's version; a test keeps it equal to package.json's. Not read from there: bundles lack it. */
export const VERSION = '0.1.0'
