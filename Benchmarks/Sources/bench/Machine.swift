import Glibc

/// Where and with what figures were taken.
struct Machine {
    var commit: String
    var processor: String
    var cores: Int
    var kernel: String

    init() {
        let (head, changes) = (
            Machine.output(["git", "-C", Repository.root, "rev-parse", "--short=12", "HEAD"]),
            Machine.output(["git", "-C", Repository.root, "status", "--porcelain", "--untracked-files=no"])
        )
        commit = head.isEmpty ? "unknown" : head + (changes.isEmpty ? "" : " with changes")
        let line = ProcFile.text("/proc/cpuinfo").split(separator: "\n").first { $0.hasPrefix("model name") }
        processor = line.flatMap { $0.split(separator: ":").last.map { String($0).trimmed } } ?? "unknown"
        cores = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        kernel =
            ProcFile.text("/proc/sys/kernel/ostype").trimmed + " " + ProcFile.text("/proc/sys/kernel/osrelease").trimmed
    }

    private static func output(_ arguments: [String]) -> String {
        let path = "/tmp/millrace-bench-\(getpid()).txt"
        defer { unlink(path) }
        guard let process = try? ChildProcess(arguments, output: path, errors: "/dev/null"),
            process.poll(waiting: true) == 0
        else { return "" }
        return ProcFile.text(path).trimmed
    }
}
