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
        public var scenario = DemoScenario.fraud
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
    private var generator: any EventGenerator
    private let pump = EventPump()
    /// Events of before the demo.
    private var earlierEvents = 0

    /// Why a wait ended.
    public enum Wake: Sendable { case timeout, interrupted, terminated, finished }
    /// Waits until a signal has come, a descriptor is readable (-1: none), or the time has passed.
    public typealias Wait = (_ milliseconds: Int32, _ finished: Int32) -> Wake

    /// Starts the database and the broker and plans the pipeline.
    ///
    /// - Parameter write: gets what is to appear on standard output.
    /// - Throws: `.user` or `.external` with one sentence and the remedy when a piece is missing.
    public init(_ options: Options, write: @escaping (String) -> Void) throws(Diagnostic) {
        self.options = options
        self.write = write
        let home = try DemoHome.pipelines(containing: options.scenario.file)
        // Before anything is started: it may be missing its file.
        let flights = DemoHome.absolute(options.flightsFolder ?? home.dropLast("/pipelines".count) + "/.deps/flights")
        generator = try Demo.generator(options.scenario, flights: flights)
        write("starting a private PostgreSQL\n")
        database = try PrivatePostgres()
        write("starting the embedded broker\n")
        broker = try EmbeddedBroker.shared()
        broker.createTopic(generator.topic, partitions: 2)
        for topic in generator.resultTopics { broker.createTopic(topic, partitions: 1) }
        file = try PipelineFile(
            path: home + "/" + options.scenario.file,
            variables: ["bootstrap": "embedded", "database": database.url(), "flights": flights])
    }

    private static func generator(_ scenario: DemoScenario, flights: String) throws(Diagnostic) -> any EventGenerator {
        switch scenario {
        case .fraud: TransactionGenerator()
        case .babyWeight: BirthGenerator()
        case .salesByRegion: SalesGenerator()
        case .flights: try FlightReplay(folder: flights)
        }
    }

    /// Runs until the time is up or a signal comes, then drains and prints a summary.
    ///
    /// - Parameter wait: is asked to wait between two frames.
    /// - Throws: what ended the pipeline before its time.
    public func run(wait: Wait) throws(Diagnostic) {
        guard let plan = file.plan else {
            throw Diagnostic("the demo's pipeline has errors:\n" + file.rendered(file.diagnostics), fault: .bug)
        }
        var pipelineOptions = PipelineOptions()
        pipelineOptions.baseDirectory = file.directory
        pipelineOptions.log = options.log
        let pipeline = Pipeline(plan: plan, options: pipelineOptions)
        try sendHistory()
        try pipeline.start()
        write("running \(file.path)" + (generator.ownDueTimes ? "" : " at \(options.eventsPerSecond) events/s") + "\n")
        if !options.isTerminal { write("look around: psql \(database.tcpURL())\n") }
        drain(pipeline)
        pipeline.metrics.clearLatencies()
        pump.start(generator, to: broker, eventsPerSecond: options.eventsPerSecond)
        let started = now()
        let wake = show(pipeline, started: started, wait: wait)
        try pump.stop()
        if wake != .finished { drain(pipeline) }
        pipeline.requestStop()
        try pipeline.wait()
        summarize(pipeline.metrics.snapshot(), seconds: Double(now() - started) / 1e6)
        if options.isTerminal, wake == .interrupted { waitWhileLookingAround(wait) }
        database.close()
    }

    /// It is there before the pipeline is: a partition that is empty at the start would hold nobody's time back.
    private func sendHistory() throws(Diagnostic) {
        let history = generator.history(nowMilliseconds: DemoTime.nowMilliseconds())
        for event in history { try broker.produce(event, topic: generator.topic) }
        broker.flush()
        earlierEvents = history.count
    }

    private var sentEvents: Int { earlierEvents + pump.sentEvents }

    /// Draws frames until something ends the demo; says what.
    private func show(_ pipeline: Pipeline, started: Int64, wait: Wait) -> Wake {
        let address = PostgresAddress(url: database.url())
        var screen = DemoScreen(options.scenario, database: database.tcpURL(), isTerminal: options.isTerminal)
        if options.isTerminal { write(DemoScreen.opening) }
        defer { if options.isTerminal { write(DemoScreen.closing) } }
        while true {
            let wake = wait(options.isTerminal ? 500 : 1000, pipeline.finishedDescriptor)
            if wake != .timeout { return wake }
            if let seconds = options.seconds, now() - started >= Int64(seconds) * 1_000_000 { return .timeout }
            var panels: [[[String]]] = []
            if options.isTerminal {
                panels = options.scenario.panels.map { panel in
                    (try? PostgresCommand.run(address: address, panel.query))?.map { $0.map { $0 ?? "" } } ?? []
                }
            }
            write(screen.frame(pipeline.metrics.snapshot(takeInterval: true), panels: panels, nowMicroseconds: now()))
        }
    }

    /// Gives the pipeline a moment to read what has been sent.
    private func drain(_ pipeline: Pipeline) {
        for _ in 0..<100 {
            if pipeline.metrics.snapshot().polledRecords >= sentEvents { return }
            DemoTime.sleep(milliseconds: 20)
        }
    }

    private func summarize(_ metrics: PipelineMetrics.Snapshot, seconds: Double) {
        var lines = [
            "",
            "\(sentEvents) events sent, \(metrics.polledRecords) read in \(Fixed.text(seconds, digits: 1)) s, "
                + "\(metrics.commits) transactions",
        ]
        for (sink, rows) in metrics.writtenRows.sorted(by: { $0.key < $1.key }) {
            lines.append("  \(sink): \(rows) rows")
        }
        for (reason, rows) in metrics.rejectedRows.sorted(by: { $0.key < $1.key }) {
            lines.append("  dead letters, \(reason): \(rows)")
        }
        let latency = metrics.latency
        lines.append(
            "event→commit: p50 \(Fixed.text(Double(latency.p50) / 1000, digits: 1)) ms, "
                + "p99 \(Fixed.text(Double(latency.p99) / 1000, digits: 1)) ms, "
                + "max \(Fixed.text(Double(latency.max) / 1000, digits: 1)) ms "
                + "(record timestamps have milliseconds"
                + (options.scenario == .salesByRegion ? "; late records count from their own time)" : ")"))
        write(lines.joined(separator: "\n") + "\n")
    }

    private func waitWhileLookingAround(_ wait: Wait) {
        // A second Ctrl-C of an impatient hand, still queued, is not meant for this.
        _ = wait(0, -1)
        write("look around: psql \(database.tcpURL())\nthe database goes away with the next Ctrl-C\n")
        while wait(60_000, -1) == .timeout {}
    }

    private func now() -> Int64 { SystemClock().wallMicroseconds() }
}
