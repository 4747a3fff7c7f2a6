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

    @Option(help: "What to write to standard error.")
    var logLevel: LogLevel = .info

    @Flag(help: "Forget the stored positions and start where the options say. Rows may be written again.")
    var resetState = false

    func validate() throws {
        guard (1...256).contains(shards) else { throw ValidationError("--shards takes 1 to 256") }
    }

    func run() throws {
        let signals = StopSignals()
        let (file, plan) = try pipeline.load()
        var options = PipelineOptions()
        options.shards = shards
        options.resetState = resetState
        options.baseDirectory = file.directory
        options.log = LogSetup.standardError(level: logLevel.level)
        let running = Pipeline(plan: plan, options: options)
        do {
            try running.start()
            if case .signal = signals.wait(finished: running.finishedDescriptor) { running.requestStop() }
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
