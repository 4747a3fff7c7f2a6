import ArgumentParser

@main
enum Main {
    /// `bench generate …` is the load generator, which `bench` starts as a process of its own.
    static func main() {
        let arguments = Array(CommandLine.arguments.dropFirst())
        if arguments.first == "generate" {
            GenerateCommand.main(Array(arguments.dropFirst()))
        } else {
            BenchCommand.main(arguments)
        }
    }
}

/// What ends a benchmark: one line, and what to do about it.
struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
