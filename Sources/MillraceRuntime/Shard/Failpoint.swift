import Glibc
import Synchronization

/// Places at which a crash test ends the process as `kill -9` would: `MILLRACE_FAILPOINT=name:3` at the third visit.
///
/// Debug builds only; in others a call is nothing.
package enum Failpoint {
    #if DEBUG
        private static let chosen: (name: String, visit: Int)? = {
            guard let text = getenv("MILLRACE_FAILPOINT") else { return nil }
            let parts = String(cString: text).split(separator: ":")
            guard let name = parts.first else { return nil }
            return (String(name), parts.count > 1 ? Int(parts[1]) ?? 1 : 1)
        }()
        private static let visits = Atomic<Int>(0)
    #endif

    @inline(__always)
    package static func reach(_ name: StaticString) {
        #if DEBUG
            guard let chosen, "\(name)" == chosen.name else { return }
            if visits.add(1, ordering: .relaxed).newValue == chosen.visit { kill(getpid(), SIGKILL) }
        #endif
    }
}
