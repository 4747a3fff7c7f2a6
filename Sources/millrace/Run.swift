import ArgumentParser
import MillraceCore
import MillraceEngine
import MillraceObservability
import MillraceRuntime

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a pipeline until its sources end or a signal stops it.",
        discussion: """
            SIGINT and SIGTERM drain: the batch in hand is finished and committed, then the process ends with status 0. \
            Bounded sources end the run by themselves.
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

    private static func cpuList(_ text: String) throws -> CPUList {
        guard let list = CPUList(text) else { throw ValidationError("write CPUs as 2 or 2,3 or 0-3, each once") }
        return list
    }

    func validate() throws {
        guard (1...256).contains(shards) else { throw ValidationError("--shards takes 1 to 256") }
        guard let unavailable = pinCpus?.unavailable, !unavailable.isEmpty else { return }
        throw ValidationError(
            "--pin-cpus: CPU \(unavailable.map(String.init).joined(separator: ", ")) is not available to this process")
    }

    func run() throws {
        let signals = StopSignals()
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
        let running = Pipeline(plan: plan, options: options)
        do {
            let endpoint = try metricsAddress.map { address throws(Diagnostic) in try MetricsEndpoint(address: address)
            }
            if let endpoint {
                options.log(.info, "metrics are served", ["url": "http://\(endpoint.address)/metrics"])
            }
            try running.start()
            waiting: while true {
                switch signals.wait(finished: running.finishedDescriptor, requests: endpoint?.descriptor ?? -1) {
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
