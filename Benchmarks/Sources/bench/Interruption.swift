import Glibc
import Synchronization

/// Ctrl-C and SIGTERM end the benchmark in order: what it started is stopped.
enum Interruption {
    private static let isRequested = Atomic<Bool>(false)

    static func install() {
        for name in [SIGINT, SIGTERM, SIGHUP] {
            signal(name) { _ in Interruption.isRequested.store(true, ordering: .relaxed) }
        }
        signal(SIGPIPE, SIG_IGN)
    }

    static func check() throws {
        if isRequested.load(ordering: .relaxed) { throw Failure("interrupted") }
    }
}
