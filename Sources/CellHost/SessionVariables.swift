import CHostSupport
import CellSupport
import HostProtocol
import Synchronization

/// The variables of all cells, by their modules, and the end of their values.
final class SessionVariables: Sendable {
  private struct Stored {
    var type: any AnyStoredType.Type
    var isReleased = false
  }
  // Types are Sendable; the object is dlopen's, which any thread may use.
  private struct Module: @unchecked Sendable {
    var object: UnsafeMutableRawPointer?
    var variables: [Int: Stored] = [:]
  }
  private let modules = Mutex<[String: Module]>([:])

  func begin(_ module: String, object: UnsafeMutableRawPointer) {
    modules.withLock { $0[module] = Module(object: object) }
  }

  func note(_ module: String, _ index: Int, _ type: any AnyStoredType.Type) {
    modules.withLock { $0[module]?.variables[index] = Stored(type: type) }
  }

  /// Drops the tasks of `async let` once their cell has come to its end: only its top-level code has names for them, and
  /// each holds a value that a variable has by now.
  func dropTasks(of module: String) {
    guard let object = modules.withLock({ $0[module]?.object }) else { return }
    chs_drop_objects(object, module, "__async_")
  }

  func stored(in module: String) -> [StoredVariable] {
    let found = modules.withLock { $0[module]?.variables ?? [:] }
    return found.map { StoredVariable(index: $0, type: $1.type.name, isTrivial: $1.type.isTrivial) }
      .sorted { $0.index < $1.index }
  }

  /// Ends a value, once. Runs the user's `deinit`, on the calling thread and with no lock held.
  /// - Returns: whether it's gone.
  func release(_ wanted: Release) -> Bool {
    let (found, isGone) = modules.withLock { modules -> ((any AnyStoredType.Type, Module)?, Bool) in
      guard let module = modules[wanted.module], let stored = module.variables[wanted.index] else {
        return (nil, false)
      }
      guard !stored.isReleased else { return (nil, true) }
      modules[wanted.module]?.variables[wanted.index]?.isReleased = true
      return ((stored.type, module), false)
    }
    guard let (type, module) = found else { return isGone }
    guard !type.isTrivial else { return true }
    guard let object = module.object, let place = chs_variable(object, wanted.module, wanted.name) else { return false }
    _ = type.destroy(at: place)
    return true
  }
}
