internal import Glibc
public import MillraceCore
internal import MillraceEngine
internal import MillraceKafka
internal import MillraceObservability
internal import MillracePostgres
public import MillraceRuntime

/// `millrace demo`: a private PostgreSQL, an embedded broker, a generator, and the pipeline, live.
public final class Demo {
    public struct Options {
        public var scenario = DemoScenario.babyWeight
        public var eventsPerSecond = 1000
        /// nil: until a signal.
        public var seconds: Int?
        public var isTerminal = false
        public var log = Log.silent
        /// Folder with the prepared flights of `demo flights`.
        public var flightsFolder: String?
        public init() {}
    }

    private let options: Options
    private let write: (String) -> Void
    private let database: PrivatePostgres
    private let broker: EmbeddedBroker
    private let file: PipelineFile
    private let pump = EventPump()

    /// Starts the database and the broker and plans the pipeline.
    ///
    /// - Parameter write: gets what is to appear on standard output.
    /// - Throws: `.user` or `.external` with one sentence and the remedy when a piece is missing.
    public init(_ options: Options, write: @escaping (String) -> Void) throws(Diagnostic) {
        self.options = options
        self.write = write
        let home = try DemoHome.pipelines(containing: options.scenario.file)
        write("starting a private PostgreSQL\n")
        database = try PrivatePostgres()
        write("starting the embedded broker\n")
        broker = try EmbeddedBroker.shared()
        let generator = try Demo.generator(options, home: home)
        broker.createTopic(generator.topic, partitions: 2)
        file = try PipelineFile(
            path: home + "/" + options.scenario.file,
            variables: ["bootstrap": "embedded", "database": database.url(), "flights": options.flightsFolder ?? ""])
    }

    private static func generator(_ options: Options, home: String) throws(Diagnostic) -> any EventGenerator {
        switch options.scenario {
        case .babyWeight: BirthGenerator()
        case .salesByRegion: SalesGenerator()
        case .flights: try FlightReplay(folder: options.flightsFolder ?? home + "/../.deps/flights")
        }
    }

    /// Runs until the time is up or `isStopping` says so (asked every 100 ms), then drains and prints a summary.
    public func run(isStopping: (_ milliseconds: Int32, _ finished: Int32) -> Bool) throws(Diagnostic) {
        guard let plan = file.plan else {
            throw Diagnostic("the demo's pipeline has errors:\n" + file.rendered(file.diagnostics), fault: .bug)
        }
        var pipelineOptions = PipelineOptions()
        pipelineOptions.baseDirectory = file.directory
        pipelineOptions.log = options.log
        let pipeline = Pipeline(plan: plan, options: pipelineOptions)
        try pipeline.start()
        write("running \(file.path) at \(options.eventsPerSecond) events/s\n")
        pump.start(
            try Demo.generator(options, home: file.directory), to: broker, eventsPerSecond: options.eventsPerSecond)
        let started = now()
        try show(pipeline, started: started, isStopping: isStopping)
        try pump.stop()
        drain(pipeline)
        pipeline.requestStop()
        try pipeline.wait()
        summarize(pipeline.metrics.snapshot(), seconds: Double(now() - started) / 1e6)
        _ = isStopping(0, -1)
        waitWhileLookingAround(isStopping)
        database.close()
    }

    private func show(
        _ pipeline: Pipeline, started: Int64, isStopping: (_ milliseconds: Int32, _ finished: Int32) -> Bool
    ) throws(Diagnostic) {
        let address = PostgresAddress(url: database.url())
        var screen = DemoScreen(
            title: "millrace demo \(options.scenario.rawValue): \(options.scenario.summary)",
            isTerminal: options.isTerminal)
        if options.isTerminal { write("\u{1B}[2J") }
        while !isStopping(options.isTerminal ? 500 : 1000, pipeline.finishedDescriptor) {
            if let seconds = options.seconds, now() - started >= Int64(seconds) * 1_000_000 { break }
            var panels: [DemoScreen.Panel] = []
            if options.isTerminal {
                for panel in options.scenario.panels {
                    guard let rows = try? PostgresCommand.run(address: address, panel.query) else { continue }
                    panels.append(
                        DemoScreen.Panel(
                            title: panel.title, header: panel.header, rows: rows.map { $0.map { $0 ?? "" } }))
                }
            }
            write(
                screen.frame(
                    pipeline.metrics.snapshot(takeInterval: true), panels: panels, nowMicroseconds: now()))
        }
    }

    /// Gives the pipeline a moment to read what has been sent, so that the summary adds up.
    private func drain(_ pipeline: Pipeline) {
        for _ in 0..<100 {
            if pipeline.metrics.snapshot().polledRecords >= pump.sentEvents { return }
            DemoTime.sleep(milliseconds: 20)
        }
    }

    private func summarize(_ metrics: PipelineMetrics.Snapshot, seconds: Double) {
        var lines = [
            "",
            "\(pump.sentEvents) events sent, \(metrics.polledRecords) read in \(Fixed.text(seconds, digits: 1)) s, "
                + "\(metrics.commits) transactions",
        ]
        for (sink, rows) in metrics.writtenRows.sorted(by: { $0.key < $1.key }) { lines.append("  \(sink): \(rows) rows") }
        for (reason, rows) in metrics.rejectedRows.sorted(by: { $0.key < $1.key }) {
            lines.append("  dead letters, \(reason): \(rows)")
        }
        let latency = metrics.latency
        lines.append(
            "event→commit: p50 \(Fixed.text(Double(latency.p50) / 1000, digits: 1)) ms, "
                + "p99 \(Fixed.text(Double(latency.p99) / 1000, digits: 1)) ms, "
                + "max \(Fixed.text(Double(latency.max) / 1000, digits: 1)) ms "
                + "(record timestamps have milliseconds; late records count from their own time)")
        write(lines.joined(separator: "\n") + "\n")
    }

    private func waitWhileLookingAround(_ isStopping: (_ milliseconds: Int32, _ finished: Int32) -> Bool) {
        write("look around: psql \(database.tcpURL())\n")
        guard options.isTerminal, options.seconds == nil else { return }
        write("the database goes away with the next Ctrl-C\n")
        while !isStopping(1000, -1) {}
    }

    private func now() -> Int64 { SystemClock().wallMicroseconds() }
}
