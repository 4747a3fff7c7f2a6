import CMillraceLinux
import Glibc
import Synchronization

/// A named operating system thread that runs one closure, on one CPU if asked. `join` waits for its end.
package final class NamedThread: Sendable {
    private final class Start: Sendable {
        let name: String
        let cpu: Int?
        let body: @Sendable () -> Void
        init(name: String, cpu: Int?, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.cpu = cpu
            self.body = body
        }
    }

    private let thread: Mutex<pthread_t?>

    /// - Parameter cpu: one that was available; should it have gone since, the thread runs on any.
    package init(name: String, cpu: Int? = nil, body: @escaping @Sendable () -> Void) {
        var id = pthread_t()
        let start = Unmanaged.passRetained(Start(name: name, cpu: cpu, body: body))
        let result = pthread_create(
            &id, nil,
            { argument in
                let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
                _ = millrace_name_thread(start.name)
                if let cpu = start.cpu { _ = millrace_pin_thread(Int32(cpu)) }
                start.body()
                return nil
            }, start.toOpaque())
        precondition(result == 0, "cannot start a thread")
        thread = Mutex(id)
    }

    package func join() {
        let id = thread.withLock { id in
            defer { id = nil }
            return id
        }
        if let id { pthread_join(id, nil) }
    }
}
