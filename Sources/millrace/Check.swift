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

    func run() throws {
        let (file, plan) = try pipeline.load()
        var found = PipelineCheck.promises(plan) + PipelineCheck.models(plan, baseDirectory: file.directory)
        if connect { found += PipelineCheck.outside(plan) }
        guard found.isEmpty else {
            Console.error(file.rendered(found))
            throw ExitCode(2)
        }
        Console.print("\(pipeline.file): no errors")
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
