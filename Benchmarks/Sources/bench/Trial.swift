import Glibc
import Histogram
import MillraceCore
import MillraceKafka
import Workloads

/// What one run of one engine under one load gave.
struct Outcome {
    /// Microseconds from due time to commit; empty for a backlog.
    var latency = Histogram<UInt32>(numberOfSignificantValueDigits: .three)
    /// The largest, which the histogram rounds up.
    var latencyMaximum: Int64 = 0
    /// Finished events a second: from the first due time (backlog: first commit) to the last commit.
    var perSecond: Double?
    /// Events a CPU second of the engine; for a backlog its start is in it.
    var perCore: Double?
    /// Cores while events were offered.
    var engineCores = 0.0
    var brokerCores = 0.0
    var databaseCores = 0.0
    var foreignCores = 0.0
    /// Cores without events; nil when not measured.
    var idleCores: Double?
    var peakBytes = 0
    /// Seconds from the start of the program to its first commit, for an event that was waiting.
    var startSeconds: Double?
    var generatorLateMicroseconds: Double?
    /// Rows that should be there, rows that are, and what is wrong with them; nil when all are right.
    var rows = 0
    var problem: String?
}

/// One run of one engine under one load, with a topic and a table of its own.
struct Trial {
    struct Settings {
        /// Seconds at a rate, of which the first `warmupSeconds` do not count.
        var seconds: Double
        var warmupSeconds: Double
        var idleSeconds: Double
        var partitions: Int
        /// How long an engine may take to its first row, and without any progress later.
        var patienceSeconds: Double
    }

    let surroundings: Surroundings
    let engine: Engine
    let job: Job
    let load: Load
    let settings: Settings
    private let topic: String
    private let table: String
    private var database: Database { surroundings.database }

    init(_ surroundings: Surroundings, _ engine: Engine, _ job: Job, _ load: Load, _ settings: Settings) {
        self.surroundings = surroundings
        self.engine = engine
        self.job = job
        self.load = load
        self.settings = settings
        let id = unique()
        topic = "bench-\(job.rawValue)-\(id)"
        table = "bench_\(job.rawValue)_\(id)"
    }

    /// Windows of one second give more samples of latency, of five a usual amount of state.
    var windowMicroseconds: Int64 {
        if case .rate = load { 1_000_000 } else { 5_000_000 }
    }

    func run() throws -> Outcome {
        do {
            try KafkaConnector.createTopic(
                topic, partitions: settings.partitions,
                options: ["topic": topic, "properties.bootstrap.servers": surroundings.bootstrap])
        } catch { throw Failure(error.rendered(file: "", source: "")) }
        try database.run("CREATE TABLE \(table) (\(job.columns))")
        let hello = try Producer(bootstrap: surroundings.bootstrap, topic: topic, isBulk: false)
        defer {
            _ = try? database.run("DROP TABLE \(table)")
            hello.deleteTopic(topic)
        }
        switch load {
        case .rate(let rate): return try atRate(rate, hello)
        case .backlog(let count): return try backlog(count)
        }
    }

    // MARK: The two loads

    private func atRate(_ rate: Int, _ hello: Producer) throws -> Outcome {
        try sayHello(hello)
        var outcome = Outcome()
        let (process, spawned) = try startEngine(events: 0)
        defer { process.stop() }
        var meter = CPUMeter(broker: surroundings.brokerProcess, database: surroundings.databaseProcess)
        meter.engine = process.id
        outcome.startSeconds = Double(try waitForFirstCommit(process) - spawned) / 1e6
        if settings.idleSeconds > 0 {
            try Clock.sleep(seconds: 1)
            let before = (Clock.monotonic(), ProcessTable.preciseSeconds(session: process.id))
            try Clock.sleep(seconds: settings.idleSeconds)
            let after = (Clock.monotonic(), ProcessTable.preciseSeconds(session: process.id))
            outcome.idleCores = (after.1 - before.1) / (Double(after.0 - before.0) / 1e9)
        }
        let count = Int(Double(rate) * settings.seconds)
        let before = meter.read()
        let generated = try generate(count: count, rate: rate, start: nil, engine: process)
        let after = meter.read()
        let schedule = EventSchedule(start: generated.start, eventsPerSecond: rate, count: count)
        let verification = Verification(
            surroundings, job, table: table, schedule, windowMicroseconds: windowMicroseconds)
        try waitForRows(verification.expectedRows, process, verification)
        outcome.peakBytes = ProcessTable.peakBytes(session: process.id)
        process.stop()
        outcome.generatorLateMicroseconds = generated.late
        read(after, since: before, into: &outcome)
        let engineSeconds = outcome.engineCores * Double(after.time - before.time) / 1e9
        outcome.perCore = engineSeconds > 0 ? Double(count) / engineSeconds : nil
        let counted = schedule.start + Int64(settings.warmupSeconds * 1e6)
        for (latency, rows) in try verification.latencies(from: counted, partitions: settings.partitions) {
            outcome.latency.record(UInt64(max(0, latency)), count: UInt32(rows))
            outcome.latencyMaximum = max(outcome.latencyMaximum, latency)
        }
        if let last = try verification.commits().last {
            outcome.perSecond = Double(count) / (Double(last - schedule.start) / 1e6)
        }
        (outcome.rows, outcome.problem) = try verification.check()
        return outcome
    }

    private func backlog(_ count: Int) throws -> Outcome {
        var outcome = Outcome()
        // 20,000 events a second of event time; job A's times do not matter.
        let start: Int64 = 1_700_000_000_000_000
        let generated = try generate(count: count, rate: 20_000, start: start, engine: nil)
        let schedule = EventSchedule(start: generated.start, eventsPerSecond: 20_000, count: count)
        let verification = Verification(
            surroundings, job, table: table, schedule, windowMicroseconds: windowMicroseconds)
        var meter = CPUMeter(broker: surroundings.brokerProcess, database: surroundings.databaseProcess)
        let before = meter.read()
        let (process, spawned) = try startEngine(events: job == .a ? count : count + settings.partitions)
        defer { process.stop() }
        meter.engine = process.id
        outcome.startSeconds = Double(try waitForFirstCommit(process) - spawned) / 1e6
        try waitForRows(verification.expectedRows, process, verification)
        let after = meter.read()
        outcome.peakBytes = ProcessTable.peakBytes(session: process.id)
        process.stop()
        read(after, since: before, into: &outcome)
        // An engine that has ended by itself is no longer in the process table.
        outcome.peakBytes = max(outcome.peakBytes, process.usage?.peakBytes ?? 0)
        let engineSeconds = max(after.engine, process.usage?.cpuSeconds ?? 0)
        outcome.perCore = engineSeconds > 0 ? Double(count) / engineSeconds : nil
        outcome.engineCores = engineSeconds / (Double(after.time - before.time) / 1e9)
        let commits = try verification.commits()
        if let first = commits.first, let last = commits.last, last > first {
            // The first transaction's events were done before the span began.
            let done = count - (try verification.events(committedAt: first))
            outcome.perSecond = Double(done) / (Double(last - first) / 1e6)
        }
        (outcome.rows, outcome.problem) = try verification.check()
        return outcome
    }

    private func read(_ after: CPUReading, since before: CPUReading, into outcome: inout Outcome) {
        outcome.engineCores = after.cores(since: before, \.engine)
        outcome.brokerCores = after.cores(since: before, \.broker)
        outcome.databaseCores = after.cores(since: before, \.database)
        outcome.foreignCores = after.cores(since: before, \.foreign)
    }

    // MARK: Parts

    /// Events that make one row: what start-up is measured with. For job B two windows' events, long before the others.
    private func sayHello(_ producer: Producer) throws {
        let writer = EventWriter(job)
        let now = Clock.wall()
        for partition in 0..<settings.partitions {
            switch job {
            case .a:
                if partition == 0 { try producer.send(writer.event(-1, time: now), partition: 0) }
            case .b:
                let window = now / 1_000_000 * 1_000_000 - 120_000_000
                try producer.send(writer.event(0, time: window), partition: partition)
                try producer.send(writer.event(1, time: window + 1_500_000), partition: partition)
            }
        }
        try producer.flush()
    }

    private func startEngine(events: Int) throws -> (process: ChildProcess, spawned: Int64) {
        let directory = surroundings.directory
        var values = [
            "BOOTSTRAP": surroundings.bootstrap, "TOPIC": topic, "TABLE": table, "PGURL": surroundings.address.url,
            "PGCONN": surroundings.address.keywords, "JOB": job.rawValue, "PARTITIONS": "\(settings.partitions)",
            "WINDOW_MS": "\(windowMicroseconds / 1000)", "WINDOW_S": "\(windowMicroseconds / 1_000_000)",
            "MODEL": directory + "/model.txt", "REGIONS": directory + "/regions.csv", "GROUP": topic, "N": "\(events)",
        ]
        let sql = directory + "/\(table).sql"
        let template = ProcFile.text(Repository.root + "/Benchmarks/jobs/job_\(job.rawValue).sql")
        try ProcFile.write(try filled(template, values), to: sql)
        values["SQL"] = sql
        let command = try engine.command.map { try filled($0, values) }
        let spawned = Clock.wall()
        let process = try ChildProcess(
            command, output: directory + "/\(table).out", errors: directory + "/\(table).err")
        return (process, spawned)
    }

    private func ensureAlive(_ process: ChildProcess) throws {
        if let code = process.poll(), code != 0 {
            throw Failure("\(engine.name) ended with status \(code):\n\(process.lastWords)")
        }
    }

    private func waitForFirstCommit(_ process: ChildProcess) throws -> Int64 {
        let end = Clock.monotonic() + Int64(settings.patienceSeconds * 1e9)
        while Clock.monotonic() < end {
            try ensureAlive(process)
            if try !database.run("SELECT 1 FROM \(table) LIMIT 1").isEmpty {
                return try database.integer("SELECT min(\(commitMicroseconds)) FROM \(table)") ?? 0
            }
            try Clock.sleep(seconds: 0.01)
        }
        throw Failure("\(engine.name) wrote no row within \(settings.patienceSeconds) s:\n\(process.lastWords)")
    }

    /// Waits until so many rows of the load are there, or the table grows no more: what is missing then shows in the check.
    private func waitForRows(_ expected: Int, _ process: ChildProcess, _ verification: Verification) throws {
        var (size, since) = (Int64(-1), Clock.monotonic())
        while true {
            try ensureAlive(process)
            // Counting a large table over and over would take the engine's CPU; its size costs nothing.
            let now = try database.integer("SELECT pg_relation_size('\(table)')") ?? 0
            if now != size || job == .b {
                if now != size { (size, since) = (now, Clock.monotonic()) }
                if job == .b, try verification.rows() >= expected { return }
            } else if try verification.rows() >= expected {
                return
            }
            if Clock.monotonic() - since > Int64(settings.patienceSeconds * 1e9) { return }
            try Clock.sleep(seconds: 0.1)
        }
    }

    private func generate(count: Int, rate: Int, start: Int64?, engine: ChildProcess?) throws -> (
        start: Int64, late: Double?
    ) {
        var words = [
            "/proc/self/exe", "generate", "--job", job.rawValue, "--bootstrap", surroundings.bootstrap, "--topic",
            topic,
            "--partitions", "\(settings.partitions)", "--count", "\(count)", "--rate", "\(rate)",
        ]
        if let start { words += ["--start", "\(start)"] }
        let directory = surroundings.directory
        let process = try ChildProcess(
            words, output: directory + "/generate.out", errors: directory + "/generate.err")
        defer { process.stop() }
        while process.poll() == nil {
            if let engine { try ensureAlive(engine) }
            try Clock.sleep(seconds: 0.02)
        }
        guard process.poll() == 0, let result = FlatRecord(line: ProcFile.text(process.output).trimmed),
            let began = result.text("start").flatMap({ Int64($0) })
        else { throw Failure("the load generator failed:\n\(process.lastWords)") }
        return (began, start == nil ? result.number("late_p99_us") : nil)
    }
}

extension String {
    /// Without blanks and line ends around it.
    var trimmed: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}
