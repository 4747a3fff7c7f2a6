import Workloads

/// The moment of a row's commit, microseconds since 1970.
let commitMicroseconds = "(extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint"

/// Reads from an engine's table when each row of a load was committed, and whether all are there once and right.
struct Verification {
    private let surroundings: Surroundings
    private let job: Job
    private let table: String
    private let schedule: EventSchedule
    private let totals: WindowTotals?
    private let windowMicroseconds: Int64
    private var database: Database { surroundings.database }

    init(
        _ surroundings: Surroundings, _ job: Job, table: String, _ schedule: EventSchedule, windowMicroseconds: Int64
    ) {
        self.surroundings = surroundings
        self.job = job
        self.table = table
        self.schedule = schedule
        self.windowMicroseconds = windowMicroseconds
        totals =
            job == .b
            ? WindowTotals(schedule, sales: surroundings.sales, windowMicroseconds: windowMicroseconds) : nil
    }

    var expectedRows: Int { totals?.expectedRows ?? schedule.count }

    /// The rows of the load, not those that said hello.
    private var ours: String {
        job == .a ? "event_id >= 0" : "window_start >= \(totals!.firstStart)"
    }

    func rows() throws -> Int { Int(try database.integer("SELECT count(*) FROM \(table) WHERE \(ours)") ?? 0) }

    /// First and last commit, microseconds since 1970.
    func commits() throws -> [Int64] {
        let row = try database.run(
            "SELECT min(\(commitMicroseconds)), max(\(commitMicroseconds)) FROM \(table) WHERE \(ours)")
        return row[0].compactMap { $0.flatMap { Int64($0) } }
    }

    func events(committedAt time: Int64) throws -> Int {
        let what = job == .a ? "count(*)" : "sum(cnt)"
        return Int(
            try database.integer("SELECT \(what) FROM \(table) WHERE \(ours) AND \(commitMicroseconds) = \(time)") ?? 0)
    }

    /// Microseconds from due time to commit, with the number of rows; of events due at `time` or later.
    ///
    /// A window's row is due with the first event at or after the window's end, which lets the watermark pass it; with
    /// several partitions, with the last partition's first such event. Windows that only the closing event ends do not count.
    func latencies(from time: Int64, partitions: Int) throws -> [(microseconds: Int64, rows: Int)] {
        if job == .a {
            return try database.run(
                """
                SELECT \(commitMicroseconds) - ts, count(*) FROM \(table) WHERE event_id >= 0 AND ts >= \(time) GROUP BY 1
                """
            ).map { (Int64($0[0]!)!, Int($0[1]!)!) }
        }
        return try database.run(
            """
            SELECT \(commitMicroseconds), window_start FROM \(table) WHERE window_start >= \(time)
            """
        ).compactMap { row in
            let passing = schedule.first(atOrAfter: Int64(row[1]!)! + windowMicroseconds) + partitions - 1
            return passing < schedule.count ? (Int64(row[0]!)! - schedule.due(passing), 1) : nil
        }
    }

    /// Rows of the load, and what is wrong; nil when every row is there once with the right values.
    func check() throws -> (rows: Int, problem: String?) {
        let result = try job == .a ? checkScores() : checkTotals()
        var faults: [String] = []
        if result.missing > 0 { faults.append("\(grouped(result.missing)) missing") }
        if result.doubled > 0 { faults.append("\(grouped(result.doubled)) doubled") }
        if result.wrong > 0 { faults.append("\(grouped(result.wrong)) wrong") }
        return (result.rows, faults.isEmpty ? nil : faults.joined(separator: ", "))
    }

    private typealias Result = (rows: Int, missing: Int, doubled: Int, wrong: Int)

    private func checkScores() throws -> Result {
        try database.run(
            """
            CREATE TEMP TABLE IF NOT EXISTS expected
            (variant int PRIMARY KEY, account text, amount float8, country text, score float8)
            """)
        if try database.integer("SELECT count(*) FROM expected") == 0 {
            let rows = surroundings.payments.variants.enumerated().map { i, v in
                "(\(i),'\(v.account)',\(v.amount),'\(Payments.countries[v.country])',\(surroundings.scores[i]))"
            }
            try database.run("INSERT INTO expected VALUES \(rows.joined(separator: ","))")
        }
        // The last bits may differ between engines that read a decimal number or add in another way.
        let row = try database.run(
            """
            SELECT count(*), count(DISTINCT event_id), count(*) FILTER (WHERE event_id >= \(schedule.count)
                OR ts IS DISTINCT FROM \(schedule.start) + event_id * 1000000 / \(schedule.eventsPerSecond)
                OR t.account IS DISTINCT FROM e.account OR t.country IS DISTINCT FROM e.country
                OR (abs(t.amount - e.amount) < 1e-9 AND abs(t.score - e.score) < 1e-9) IS NOT TRUE)
            FROM \(table) t JOIN expected e ON e.variant = t.event_id % \(Payments.variantCount) WHERE event_id >= 0
            """)[0].map { Int($0!)! }
        return (row[0], max(0, schedule.count - row[1]), row[0] - row[1], row[2])
    }

    private func checkTotals() throws -> Result {
        var result: Result = (0, 0, 0, 0)
        var seen: Set<String> = []
        for row in try database.run("SELECT window_start, region, total, cnt FROM \(table) WHERE \(ours)") {
            result.rows += 1
            guard let start = row[0].flatMap({ Int64($0) }), let region = row[1],
                let group = totals!.group(start: start, region: region), group.count > 0
            else {
                result.wrong += 1
                continue
            }
            if !seen.insert("\(start) \(region)").inserted { result.doubled += 1 }
            let total = row[2].flatMap { Double($0) } ?? .nan
            if row[3] != "\(group.count)" || !(abs(total - group.total) <= 1e-9 * max(1, group.total)) {
                result.wrong += 1
            }
        }
        result.missing = expectedRows - seen.count
        return result
    }
}
