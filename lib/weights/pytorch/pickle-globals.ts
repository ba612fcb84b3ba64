/*
 * Names that a pickle asks Python to import, judged without importing. Nothing of a pickle is run here, so none could
 * harm us.
 *
 * But a file that asks for one of these was made to act on whoever loads it with Python, or might be, and its user
 * must hear that.
 *
 * Refused is what runs or loads code, loads further pickles, reaches files and the network, or fetches attributes by
 * name, which reaches everything else.
 *
 * All other names, a trainer's own classes included, pass and stay inert placeholders.
 */

/** Modules refused with all that is in them and below them. */
const MODULES = new Set(
  [
    // The operating system and its processes.
    'os posix nt subprocess posixsubprocess winapi winreg pty commands popen2 sys shutil tempfile webbrowser',
    'multiprocessing.process multiprocessing.popen_fork multiprocessing.popen_spawn_posix',
    'multiprocessing.popen_spawn_win32 multiprocessing.util asyncio.subprocess asyncio.unix_events',
    'antigravity distutils setuptools pip ensurepip',
    // Importers, interpreters and what runs the code it is given.
    'importlib frozen_importlib frozen_importlib_external imp runpy pkgutil zipimport code codeop pdb bdb',
    'cProfile timeit doctest pydoc idlelib lib2to3 py_compile compileall ctypes cffi',
    // Pickles and code within the pickle.
    'pickle cPickle marshal shelve dill cloudpickle joblib jsonpickle',
    // The network.
    'socket socketserver ssl urllib urllib2 urllib3 http httplib requests httpx aiohttp ftplib smtplib poplib',
    'imaplib nntplib telnetlib xmlrpc paramiko',
    // The same in PyTorch's and NumPy's own rooms.
    'torch.hub torch.package torch.utils.cpp_extension torch.utils.collect_env torch.utils.bottleneck',
    'torch.utils._config_module torch.distributed.rpc torch._inductor torch._dynamo.guards',
    'torch.jit.unsupported_tensor_ops torch.testing numpy.f2py numpy.distutils numpy.testing numpy.ctypeslib',
  ].flatMap(words),
)

/** Single functions, classes and methods of modules that are otherwise fine. */
const NAMES = new Set([
  ...within(
    'builtins',
    'eval exec execfile compile open file input raw_input __import__ reload getattr setattr',
  ),
  ...within('builtins', 'delattr apply globals locals vars breakpoint exit quit'),
  ...within('operator', 'attrgetter methodcaller call'),
  ...within('types', 'FunctionType LambdaType CodeType MethodType ModuleType'),
  ...within('io', 'open open_code FileIO'),
  ...within('codecs', 'open register'),
  ...['Path', 'PosixPath', 'WindowsPath'].flatMap((path) =>
    within(`pathlib.${path}`, 'open write_text write_bytes unlink rename replace chmod'),
  ),
  ...within('asyncio', 'create_subprocess_exec create_subprocess_shell'),
  ...within('multiprocessing', 'Process Pool'),
  ...within('logging.config', 'listen dictConfig fileConfig'),
  ...within('torch', 'load save'),
  ...within('torch.serialization', 'load save'),
  ...within('torch.jit', 'load save CompilationUnit'),
  ...within('numpy', 'load save savez fromfile memmap loadtxt genfromtxt'),
  ...within('pandas', 'read_pickle eval'),
  ...within('pandas.io.pickle', 'read_pickle'),
  ...within('yaml', 'load load_all unsafe_load unsafe_load_all'),
])

function words(line: string): string[] {
  return line.split(' ')
}

function within(module: string, names: string): string[] {
  return words(names).map((name) => `${module}.${name}`)
}

/**
 * Whether `module.name` could act when Python loads it.
 *
 * `name` may have dots, which lead to attributes: `random` with `_os.system` is `os.system`. So what a dot leads to
 * is judged like a module.
 *
 * Names with an inner double underscore (`f.__globals__`), which lead anywhere, are refused.
 */
export function isUnsafe(module: string, name: string): boolean {
  const steps = name.split('.')
  if (steps.length > 1 && steps.some((step) => step.startsWith('__'))) return true
  return [module, ...steps.slice(0, -1)].some((start, index) => {
    const path = [...homeOf(start).split('.'), ...steps.slice(index)]
    const prefixes = path.slice(0, LONGEST).map((_, end) => path.slice(0, end + 1).join('.'))
    return prefixes.some((prefix, end) => NAMES.has(prefix) || (end < path.length - 1 && MODULES.has(prefix)))
  })
}

/** Parts of the longest name that is refused: a pickle may have a million names of many parts. */
const LONGEST = Math.max(...[...MODULES, ...NAMES].map((name) => name.split('.').length))

/** `_os`, `_io`, `_pickle`, `__builtin__`: imports under another name, and the C halves of Python's modules. */
function homeOf(module: string): string {
  if (/^__builtins?__$/.test(module)) return 'builtins'
  return module.replace(/^_+/, '')
}
