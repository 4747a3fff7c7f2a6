import CBenchmark
import Glibc

/// A program that the benchmark started, in a session of its own; ended with it at the latest.
final class ChildProcess {
    let id: pid_t
    /// Where its standard output and error go.
    let output: String
    let errors: String
    private var status: Int32?
    /// Once it has ended: CPU seconds of it and its children, and its largest memory in bytes.
    private(set) var usage: (cpuSeconds: Double, peakBytes: Int)?

    /// - Parameter arguments: the program, found by PATH, and its arguments.
    init(_ arguments: [String], output: String, errors: String) throws {
        self.output = output
        self.errors = errors
        var texts: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for text in texts { free(text) } }
        var pid = pid_t()
        let code = millrace_bench_spawn(&pid, &texts, output, errors, 1)
        guard code == 0 else { throw Failure("could not start \(arguments[0]): \(String(cString: strerror(code)))") }
        id = pid
    }

    deinit { stop(graceSeconds: 0) }

    /// The exit status once it has ended, 128 and the signal after a signal.
    func poll(waiting: Bool = false) -> Int32? {
        if status == nil {
            var code: Int32 = 0
            var spent = rusage()
            if wait4(id, &code, waiting ? 0 : WNOHANG, &spent) == id {
                status = code & 0x7F == 0 ? (code >> 8) & 0xFF : 128 + (code & 0x7F)
                func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
                usage = (seconds(spent.ru_utime) + seconds(spent.ru_stime), spent.ru_maxrss * 1024)
            }
        }
        return status
    }

    /// Waits for its end.
    func wait() throws -> Int32 {
        while true {
            if let code = poll() { return code }
            try Clock.sleep(seconds: 0.01)
        }
    }

    /// SIGTERM for all of its session, then SIGKILL for what is still there.
    func stop(graceSeconds: Double = 10) {
        let members = { ProcessTable.read().filter { $0.value.session == self.id }.map(\.key) }
        var signal = graceSeconds > 0 ? SIGTERM : SIGKILL
        var end = Clock.monotonic() + Int64(graceSeconds * 1e9)
        var remaining = members()
        while poll() == nil || !remaining.isEmpty {
            for pid in remaining { kill(pid, signal) }
            // Once is enough for SIGTERM: many programs take a second one as an order to drop everything.
            repeat {
                usleep(5000)
                _ = poll()
                remaining = members()
            } while !remaining.isEmpty && Clock.monotonic() < end
            if signal == SIGKILL, remaining.isEmpty || Clock.monotonic() > end + 5_000_000_000 { break }
            (signal, end) = (SIGKILL, Clock.monotonic() + 1_000_000_000)
        }
    }

    /// The last lines of what it wrote.
    var lastWords: String {
        (ProcFile.text(errors) + ProcFile.text(output)).split(separator: "\n").suffix(8).map { "    " + $0 }
            .joined(separator: "\n")
    }
}
