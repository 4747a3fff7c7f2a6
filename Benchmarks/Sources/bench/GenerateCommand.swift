import ArgumentParser
import CBenchmark
import Glibc
import Histogram
import Workloads

/// The load generator, a process of its own. Open loop: an event carries its due time, whether or not it goes out in time.
struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench generate", abstract: "Send a job's events to a topic; prints one line of JSON.")

    @Option var job: Job
    @Option var bootstrap: String
    @Option var topic: String
    @Option var partitions = 1
    @Option(help: "Events to send.") var count: Int
    @Option(help: "Events a second; their times differ by as much in a backlog too.") var rate: Int
    @Option(help: ArgumentHelp("A backlog instead: sent at once, event 0 due then.", valueName: "µs since 1970"))
    var start: Int64?

    /// From here on the generator wakes every 200 µs and sends what is due: a wake-up an event would take the core that
    /// the engine needs. The wait is part of everybody's latency.
    static let tickRate = 10_000
    static let tickNanoseconds: Int64 = 200_000

    func run() throws {
        millrace_bench_timer_slack(1000)
        let writer = EventWriter(job)
        let producer = try Producer(bootstrap: bootstrap, topic: topic, isBulk: start != nil)
        let began = Clock.monotonic()
        var schedule = EventSchedule(start: start ?? Clock.wall() + 20_000, eventsPerSecond: rate, count: count)
        // Not shortly before a window ends: what the engine did at start-up must not make the first events late.
        if start == nil, job == .b { schedule.start = (schedule.start + 749_999) / 1_000_000 * 1_000_000 + 250_000 }
        let origin = Clock.monotonic() + (schedule.start - Clock.wall()) * 1000
        var late = Histogram<UInt32>(numberOfSignificantValueDigits: .three)
        for i in 0..<count {
            if start == nil {
                let due = origin + schedule.offset(i) * 1000
                if Clock.monotonic() < due {
                    let tick = GenerateCommand.tickNanoseconds
                    Clock.sleep(
                        until: rate < GenerateCommand.tickRate
                            ? due : origin + (schedule.offset(i) * 1000 + tick - 1) / tick * tick)
                }
                late.record(UInt64(max(0, (Clock.monotonic() - due) / 1000)))
            }
            try producer.send(writer.event(i, time: schedule.due(i)), partition: i % partitions)
            if i & 255 == 0 { producer.serve() }
        }
        if job == .b {
            // An hour later: the watermark passes the end of every window.
            for partition in 0..<partitions {
                try producer.send(writer.event(0, time: schedule.end + 3_600_000_000), partition: partition)
            }
        }
        try producer.flush()
        var result = FlatRecord()
        result.set("start", "\(schedule.start)")
        result.set("seconds", Double(Clock.monotonic() - began) / 1e9)
        result.set("late_p50_us", Int(late.valueAtPercentile(50)))
        result.set("late_p99_us", Int(late.valueAtPercentile(99)))
        result.set("late_max_us", Int(late.max))
        print(result.line)
    }
}
