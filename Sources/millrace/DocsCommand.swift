import ArgumentParser
import MillraceEngine

/// Prints the generated parts of docs/. Hidden: for those who change options or functions.
struct DocsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "docs", abstract: "Print the reference tables of docs/ as Markdown.", shouldDisplay: false,
        subcommands: [Options.self, Functions.self])

    struct Options: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Every WITH option of connectors, formats and models.")
        func run() { Console.print(OptionReference.markdown()) }
    }

    struct Functions: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Every SQL function.")
        func run() { Console.print(OptionReference.functions()) }
    }
}
