import Glibc

/// CPU seconds since the start by who used them.
struct CPUReading {
    var time = Clock.monotonic()
    var engine = 0.0
    var broker = 0.0
    var database = 0.0
    /// Of processes that have no part in the benchmark.
    var foreign = 0.0

    /// What was used since an earlier reading, in cores.
    func cores(since earlier: CPUReading, _ part: KeyPath<CPUReading, Double>) -> Double {
        max(0, self[keyPath: part] - earlier[keyPath: part]) / max(1e-9, Double(time - earlier.time) / 1e9)
    }
}

struct CPUMeter {
    /// The engine's session; nil before it runs.
    var engine: pid_t?
    /// Nil when they are not on this machine.
    var broker: pid_t?
    var database: pid_t?

    func read() -> CPUReading {
        var reading = CPUReading()
        let table = ProcessTable.read()
        for (pid, entry) in table {
            if let engine, entry.session == engine {
                reading.engine += entry.own + entry.children
            } else if let broker, pid == broker || entry.parent == broker {
                reading.broker += entry.own
            } else if let database, pid == database || entry.parent == database {
                // A backend that has ended is in the postmaster's record of its children.
                reading.database += entry.own + (pid == database ? entry.children : 0)
            } else if pid == getpid() || entry.parent == getpid() || pid == 2 || entry.parent == 2 {
                continue  // ourselves, the generator, the kernel's threads
            } else {
                // The ended count too: the time of one that ends meanwhile goes to its parent.
                reading.foreign += entry.own + entry.children
            }
        }
        return reading
    }
}
