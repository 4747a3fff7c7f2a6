import CBenchmark
import Glibc
import Workloads

/// Instructions, and calls of Swift's reference counting, a row: counted by valgrind's callgrind, equal from run to run.
enum Counting {
    /// Rows of a counted round: enough that what happens once a call of a batch of one shows, and no more.
    static let rows = 2048

    /// Inside callgrind: one marked round a case, and the case's name and rows on standard output, in order.
    static func run(_ cases: [MicroCase]) throws {
        for item in cases {
            let work = try item.prepare()
            let calls = max(1, rows / item.rows)
            for _ in 0..<2 {
                for _ in 0..<calls where try !work.body() { fail(item.name) }
                try work.settle?()
            }
            var isRight = true
            millrace_bench_begin()
            for _ in 0..<calls where try !work.body() { isRight = false }
            millrace_bench_end()
            guard isRight else { fail(item.name) }
            try work.settle?()
            print("\(calls * item.rows) \(item.name)")
        }
    }

    /// Runs this program under callgrind and adds "instructions" and "references" to the records. Without valgrind it says
    /// so and does nothing.
    static func add(to records: inout [FlatRecord], filter: String?) throws {
        var template = Array("/tmp/millrace-micro-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failed(description: "could not create a directory under /tmp") }
        let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { _ = spawn(["rm", "-rf", directory], output: "/dev/null") }
        // Valgrind reads debug information for minutes, and does not need it.
        let program = directory + "/micro"
        let executable = executablePath()
        if spawn(["strip", "--strip-debug", "-o", program, executable], output: "/dev/null") != 0 {
            _ = spawn(["cp", executable, program], output: "/dev/null")
        }
        // Hashing is seeded anew in every process unless told otherwise.
        setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
        var command = [
            "valgrind", "--tool=callgrind", "--callgrind-out-file=\(directory)/counts", "--compress-strings=no",
            "--compress-pos=no", "--dump-line=no", "--zero-before=millrace_bench_begin",
            "--dump-before=millrace_bench_end", program, "--counted",
        ]
        if let filter { command += ["--filter", filter] }
        print("counting instructions …")
        let code = spawn(command, output: directory + "/names")
        guard code != 127 else {
            return print("valgrind is not installed: instructions are not counted (apt-get install valgrind)\n")
        }
        guard code == 0 else {
            throw Failed(
                description: "valgrind ended with status \(code):\n\(read(directory + "/names.err").suffix(2000))")
        }
        for (index, line) in read(directory + "/names").split(separator: "\n").enumerated() {
            let parts = line.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, let rows = Double(parts[0]),
                let place = records.firstIndex(where: { $0.text("case") == String(parts[1]) })
            else { continue }
            let counts = counts(read(directory + "/counts.\(index + 1)"))
            records[place].set("instructions", (counts.instructions / rows * 10).rounded() / 10)
            records[place].set("references", (counts.references / rows * 1000).rounded() / 1000)
        }
    }

    struct Failed: Error, CustomStringConvertible { let description: String }

    /// The sum of one dump of callgrind, and how often the reference counting was called in it.
    static func counts(_ dump: String) -> (instructions: Double, references: Double) {
        let counting: Set<Substring> = [
            "swift_retain", "swift_release", "swift_retain_n", "swift_release_n", "swift_bridgeObjectRetain",
            "swift_bridgeObjectRelease", "swift_unknownObjectRetain", "swift_unknownObjectRelease",
        ]
        var (instructions, references) = (0.0, 0.0)
        var isCounting = false
        for line in dump.split(separator: "\n") {
            if line.hasPrefix("cfn=") {
                isCounting = counting.contains(line.dropFirst(4))
            } else if line.hasPrefix("calls=") {
                let number = line.dropFirst(6).prefix { $0 != " " }
                if isCounting { references += Double(number) ?? 0 }
            } else if line.hasPrefix("totals: ") {
                instructions = Double(line.dropFirst(8).prefix { $0 != " " }) ?? 0
            }
        }
        return (instructions, references)
    }

    private static func executablePath() -> String {
        var path = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &path, path.count - 1)
        return String(decoding: path[..<max(0, count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func read(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&part, 1, part.count, file)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += part[..<count]
        }
    }

    /// The exit status; 127 when there is no such program.
    private static func spawn(_ arguments: [String], output: String) -> Int32 {
        var texts: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for text in texts { free(text) } }
        var pid = pid_t()
        guard millrace_bench_spawn(&pid, &texts, output, output == "/dev/null" ? output : output + ".err", 0) == 0
        else {
            return 127
        }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
    }
}
