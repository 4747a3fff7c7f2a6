import ArgumentParser
import Glibc
import Workloads

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure from the event in Kafka to the row in PostgreSQL.",
        discussion: """
            Job A scores a JSON event with 100 trees and writes a row; job B joins with 50 rows and writes TUMBLE SUM and \
            COUNT by region. Events are due at fixed times, whether or not anything keeps up; latency is the commit time of \
            a row's transaction minus its event's due time. Every row is checked: all there, once, with the right values.

            --floor runs another program in alternation, with these filled in: {BOOTSTRAP} {TOPIC} {PARTITIONS} {GROUP} \
            {PGCONN} (host=… port=…) {PGURL} {TABLE} {MODEL} (LightGBM text) {REGIONS} (CSV) {JOB} (a or b) {WINDOW_MS} \
            {WINDOW_S} {N} (events in a backlog, else 0) {SQL} (the job for Millrace). It reads the topic from the \
            beginning, writes the table's columns (A: event_id, ts, account, amount, country, score; B: window_start, \
            region, total, cnt; times in µs since 1970) and goes on until SIGTERM.
            """)

    @Option(help: "Jobs to measure.", transform: { try list($0, "a or b") { Job(rawValue: $0) } })
    var jobs: [Job] = Job.allCases

    @Option(
        help: "Offered loads, events a second; \"none\" for none.",
        transform: { $0 == "none" ? [] : try list($0, "events a second") { Int($0).flatMap { $0 > 0 ? $0 : nil } } })
    var rates: [Int] = [1000, 5000, 20_000]

    @Option(help: "Seconds at each load, after the warm-up.") var seconds: Double = 15
    @Option(help: "Seconds at each load that do not count.") var warmup: Double = 3
    @Option(help: "Seconds to measure the idle engine; 0 leaves it out.") var idle: Double = 2
    @Option(help: "Events of job A's backlog; 0 leaves it out.") var backlogA: Int = 300_000
    @Option(help: "Events of job B's backlog; 0 leaves it out.") var backlogB: Int = 2_000_000
    @Option(help: "Partitions of the topics.") var partitions: Int = 1
    @Option(help: "Times that everything is measured, the engines in alternation.") var rounds: Int = 1

    @Option(help: ArgumentHelp("A Kafka broker; without it a test broker is started.", valueName: "host:port"))
    var bootstrap: String?
    @Option(
        help: ArgumentHelp(
            "A PostgreSQL server with track_commit_timestamp = on, where a database is created and dropped; without it a"
                + " private server is started.", valueName: "url"))
    var database: String?
    @Option(help: ArgumentHelp("The engine.", valueName: "path"))
    var millrace: String = Repository.root + "/.build/release/millrace"
    @Option(help: ArgumentHelp("Another engine, to compare with; see above.", valueName: "command"))
    var floor: String?
    @Option(help: "Its name in tables.") var floorName: String = "floor"
    @Option(help: ArgumentHelp("Append each result as a line of JSON.", valueName: "file")) var json: String?
    @Option(help: ArgumentHelp("Print the change from the last results in such a file.", valueName: "file"))
    var compare: String?

    func validate() throws {
        guard seconds > 0, warmup >= 0, idle >= 0, backlogA >= 0, backlogB >= 0 else {
            throw ValidationError("seconds and events cannot be negative")
        }
        guard (1...64).contains(partitions), (1...100).contains(rounds) else {
            throw ValidationError("--partitions takes 1 to 64, --rounds 1 to 100")
        }
        guard access(millrace, X_OK) == 0 else {
            throw ValidationError("there is no program at \(millrace); build it with: make build")
        }
    }

    func run() throws {
        Interruption.install()
        do {
            try measure()
        } catch let failure as Failure {
            say("error: \(failure)\n")
            throw ExitCode(1)
        }
    }

    private func measure() throws {
        let earlier = try compare.map(Comparison.read)
        var engines = [Engine(name: "millrace", command: [millrace, "run", "{SQL}", "--log-level", "warning"])]
        if let floor { engines.append(Engine(name: floorName, command: try Engine.words(floor))) }
        let machine = Machine()
        let surroundings = try Surroundings(bootstrap: bootstrap, database: database)
        defer { surroundings.close() }
        print(
            """
            commit \(machine.commit); \(machine.processor), \(machine.cores) cores, \(machine.kernel); \
            PostgreSQL \(surroundings.postgresVersion), librdkafka \(librdkafkaVersion)

            """)
        if bootstrap == nil {
            print("The test broker answers empty fetches at once: idle CPU and latency are its own. See --bootstrap.\n")
        }
        let settings = Trial.Settings(
            seconds: seconds + warmup, warmupSeconds: warmup, idleSeconds: idle, partitions: partitions,
            patienceSeconds: 30)
        var records: [FlatRecord] = []
        for job in jobs {
            let backlog = job == .a ? backlogA : backlogB
            for load in rates.map({ Load.rate($0) }) + (backlog > 0 ? [.backlog(backlog)] : []) {
                var results = engines.map { Measurement(engine: $0.name, job: job, load: load) }
                for round in 0..<rounds {
                    // The first place is not always the same engine's.
                    for i in round % 2 == 0 ? Array(engines.indices) : engines.indices.reversed() {
                        note("job \(job.rawValue.uppercased()), \(load.name), \(engines[i].name), round \(round + 1)")
                        results[i].outcomes.append(
                            try Trial(surroundings, engines[i], job, load, settings).run())
                    }
                }
                for result in results {
                    var record = result.record
                    record.set("partitions", partitions)
                    record.set("seconds", seconds)
                    record.set("commit", machine.commit)
                    record.set("processor", machine.processor)
                    record.set("cores", machine.cores)
                    record.set("kernel", machine.kernel)
                    record.set("postgresql", surroundings.postgresVersion)
                    record.set("librdkafka", librdkafkaVersion)
                    record.set("time", "\(Clock.wall() / 1_000_000)")
                    records.append(record)
                    if let json { try ProcFile.write(record.line + "\n", to: json, appending: true) }
                }
            }
        }
        note(nil)
        print(Report.table(records), terminator: "")
        if let earlier { print("\nchange\n\n" + Comparison.table(records, against: earlier), terminator: "") }
        let warnings = Report.warnings(records)
        if !warnings.isEmpty { print("\n" + warnings.joined(separator: "\n")) }
        if records.contains(where: { $0.text("problem") != "" }) { throw Failure("an engine's rows are not right") }
    }

    /// What is going on, on standard error: one line that overwrites itself on a terminal.
    private func note(_ text: String?) {
        let isTerminal = isatty(STDERR_FILENO) == 1
        if isTerminal { say("\r\u{1B}[K") }
        if let text { say(text + (isTerminal ? " …" : "\n")) }
    }

    private func say(_ text: String) {
        var text = text
        text.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

/// `a,b,c` as values; the error says what was wanted.
private func list<T>(_ text: String, _ wanted: String, _ value: (String) -> T?) throws -> [T] {
    try text.split(separator: ",").map {
        guard let value = value(String($0)) else { throw ValidationError("\"\($0)\" is not \(wanted)") }
        return value
    }
}
