import ArgumentParser
import Glibc
import MillraceCore
import MillraceEngine
import MillraceObservability
import MillraceRuntime

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a pipeline until its sources end or a signal stops it.",
        discussion: """
            SIGINT and SIGTERM drain: the batch in hand is finished and committed, then the process ends with status 0. \
            Bounded sources end the run by themselves. SIGHUP reads the model files anew; a file that has changed is taken up \
            without it, unless CREATE MODEL says otherwise ('swap').
            """)

    @OptionGroup var pipeline: PipelineArguments

    @Option(help: "Threads that share the partitions of Kafka topics; some pipelines run on one, and the log says why.")
    var shards: Int = 1

    @Option(
        help: ArgumentHelp(
            "Binds each shard's thread to one CPU of the list, such as 2 or 2,3 or 0-3; by default the system decides.",
            valueName: "cpus"), transform: Run.cpuList)
    var pinCpus: CPUList?

    @Option(
        help: ArgumentHelp(
            "Where to serve metrics in Prometheus' text format over HTTP, such as 127.0.0.1:9464; by default nowhere.",
            valueName: "host:port"))
    var metricsAddress: String?

    @Option(help: "What to write to standard error.")
    var logLevel: LogLevel = .info

    @Flag(help: "Forget the stored positions and start where the options say. Rows may be written again.")
    var resetState = false

    @Option(
        help: ArgumentHelp(
            "Tries again for this long at the start while a broker or database is away or refuses; 0: ends with status 1 at once.",
            valueName: "seconds"))
    var wait = 0

    private static func cpuList(_ text: String) throws -> CPUList {
        guard let list = CPUList(text) else { throw ValidationError("write CPUs as 2 or 2,3 or 0-3, each once") }
        return list
    }

    func validate() throws {
        guard (1...256).contains(shards) else { throw ValidationError("--shards takes 1 to 256") }
        guard wait >= 0 else { throw ValidationError("--wait takes a number of seconds from 0 on") }
        guard let unavailable = pinCpus?.unavailable, !unavailable.isEmpty else { return }
        throw ValidationError(
            "--pin-cpus: CPU \(unavailable.map(String.init).joined(separator: ", ")) is not available to this process")
    }

    func run() throws {
        let signals = StopSignals(hangup: true)
        let terminal = ControllingTerminal()
        let (file, plan) = try pipeline.load()
        for listing in file.listings { Console.print(listing.joined(separator: "\n")) }
        // A file of SHOW statements only has nothing to run.
        if plan.sinks.isEmpty { return }
        var options = PipelineOptions()
        options.shards = shards
        options.cpus = pinCpus ?? CPUList()
        options.resetState = resetState
        options.baseDirectory = file.directory
        options.log = LogSetup.standardError(level: logLevel.level)
        do {
            let endpoint = try metricsAddress.map { address throws(Diagnostic) in try MetricsEndpoint(address: address)
            }
            if let endpoint {
                options.log(.info, "metrics are served", ["url": "http://\(endpoint.address)/metrics"])
            }
            guard let running = try start(plan, options, signals) else { return }
            waiting: while true {
                switch signals.wait(finished: running.finishedDescriptor, requests: endpoint?.descriptor ?? -1) {
                case .signal(SIGHUP) where !terminal.isGone: running.reloadModels()
                case .signal:
                    running.requestStop()
                    break waiting
                case .finished: break waiting
                case .request, .timeout:
                    endpoint?.serve { PrometheusText.text(running.metrics.snapshot(), pipeline: plan.name) }
                }
            }
            try running.wait()
        } catch {
            Console.error(file.rendered([error]))
            throw ExitCode(1)
        }
    }

    /// Starts the pipeline, if need be again and again until `wait` is over; nil when a signal came first.
    private func start(_ plan: ExecutionPlan, _ options: PipelineOptions, _ signals: borrowing StopSignals)
        throws(Diagnostic) -> Pipeline?
    {
        let deadline = ContinuousClock.now + .seconds(wait)
        while true {
            let pipeline = Pipeline(plan: plan, options: options)
            do throws(Diagnostic) {
                try pipeline.start()
                return pipeline
            } catch {
                // What is wrong with the file or the program does not pass.
                guard error.fault == .external, ContinuousClock.now < deadline else { throw error }
                options.log(.warning, "could not start yet, trying again", ["error": error.message])
            }
            if case .signal = signals.wait(finished: pipeline.finishedDescriptor, milliseconds: 1_000) { return nil }
        }
    }
}

enum LogLevel: String, ExpressibleByArgument, CaseIterable {
    case debug, info, warning, error
    var level: Log.Level {
        switch self {
        case .debug: .debug
        case .info: .info
        case .warning: .warning
        case .error: .error
        }
    }
}
