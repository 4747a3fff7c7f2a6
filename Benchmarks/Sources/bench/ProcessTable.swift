import Glibc

/// What `/proc` says of every process.
enum ProcessTable {
    struct Entry {
        var parent: pid_t
        var session: pid_t
        /// CPU seconds of the process, and of its children that have ended.
        var own: Double
        var children: Double
    }

    static func read() -> [pid_t: Entry] {
        var table: [pid_t: Entry] = [:]
        for name in ProcFile.names(in: "/proc") {
            guard let pid = pid_t(name), let entry = entry(pid) else { continue }
            table[pid] = entry
        }
        return table
    }

    private static let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))

    private static func entry(_ pid: pid_t) -> Entry? {
        let text = ProcFile.text("/proc/\(pid)/stat")
        // The name before it may hold blanks and parentheses.
        guard let close = text.lastIndex(of: ")") else { return nil }
        let fields = text[close...].split(separator: " ")
        guard fields.count > 15 else { return nil }
        func number(_ i: Int) -> Double { Double(fields[i]) ?? 0 }
        return Entry(
            parent: pid_t(fields[2]) ?? 0, session: pid_t(fields[4]) ?? 0, own: (number(12) + number(13)) / ticks,
            children: (number(14) + number(15)) / ticks)
    }

    /// CPU seconds of a session's threads to the nanosecond, for short spells; threads that have ended are not in it.
    static func preciseSeconds(session: pid_t) -> Double {
        var total = 0.0
        for (pid, entry) in read() where entry.session == session {
            for thread in ProcFile.names(in: "/proc/\(pid)/task") {
                let text = ProcFile.text("/proc/\(pid)/task/\(thread)/schedstat")
                total += (text.split(separator: " ").first.flatMap { Double($0) } ?? 0) / 1e9
            }
        }
        return total
    }

    /// Largest resident memory so far of all processes of a session, bytes.
    static func peakBytes(session: pid_t) -> Int {
        read().filter { $0.value.session == session }.keys.reduce(0) { total, pid in
            let line = ProcFile.text("/proc/\(pid)/status").split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
            return total + (line.flatMap { Int($0.split(separator: " ", omittingEmptySubsequences: true)[1]) } ?? 0)
                * 1024
        }
    }

    /// The process on this machine that listens on a TCP port; nil when it is on another or not ours to see.
    static func listener(port: Int) -> pid_t? {
        var sockets: Set<String> = []
        for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
            for line in ProcFile.text(file).split(separator: "\n").dropFirst() {
                let fields = line.split(separator: " ")
                guard fields.count > 9, fields[3] == "0A",
                    fields[1].split(separator: ":").last.flatMap({ Int($0, radix: 16) }) == port
                else { continue }
                sockets.insert("socket:[\(fields[9])]")
            }
        }
        guard !sockets.isEmpty else { return nil }
        for name in ProcFile.names(in: "/proc") {
            guard let pid = pid_t(name) else { continue }
            for descriptor in ProcFile.names(in: "/proc/\(name)/fd") {
                var target = [CChar](repeating: 0, count: 64)
                let count = readlink("/proc/\(name)/fd/\(descriptor)", &target, 63)
                guard count > 0 else { continue }
                if sockets.contains(String(decoding: target[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)) {
                    return pid
                }
            }
        }
        return nil
    }
}
