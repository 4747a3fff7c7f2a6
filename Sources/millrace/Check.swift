import ArgumentParser
import MillraceCore
import MillraceEngine

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Report every error of a pipeline without running it.",
        discussion: "Loads the models and checks their signatures. Connects to nothing unless --connect is given.")

    @OptionGroup var pipeline: PipelineArguments

    @Flag(help: "Also compare topics, tables, columns and types with the real broker and database.")
    var connect = false

    @Flag(help: "Also print how long parsing and planning the file took, in milliseconds.")
    var timing = false

    func run() throws {
        let clock = ContinuousClock()
        let start = clock.now
        let (file, plan) = try pipeline.load()
        let planned = clock.now - start
        var found =
            PipelineCheck.options(plan) + PipelineCheck.promises(plan)
            + PipelineCheck.models(plan, baseDirectory: file.directory)
        if connect { found += PipelineCheck.outside(plan) }
        guard found.isEmpty else {
            Console.error(file.rendered(found))
            throw ExitCode(2)
        }
        Console.print("\(pipeline.file): no errors")
        if timing { Console.print("planned in \(planned / .milliseconds(1)) ms") }
    }
}

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Print what a pipeline will do: sources, operators, sinks, time.")

    @OptionGroup var pipeline: PipelineArguments

    func run() throws {
        let (file, _) = try pipeline.load()
        Console.print(file.explanation)
    }
}
