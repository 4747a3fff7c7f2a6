import MillraceCore
import MillraceRuntime

/// Scores batches with a forest.
///
/// The layouts are told apart here, once a batch, because the compiler specialises calls of a `ForestRun` whose type is
/// written out, but neither the vtable nor the protocol witnesses of a generic class: those would walk every node
/// through its metadata, a hundred times slower.
final class ForestScorer: Scorer {
    enum Run {
        case narrow(ForestRun<NarrowNode, Float>)
        case wideFloat(ForestRun<WideNode, Float>)
        case wide(ForestRun<WideNode, Double>)
        case generalFloat(ForestRun<GeneralNode, Float>)
        case general(ForestRun<GeneralNode, Double>)
    }

    private let run: Run

    init(_ run: Run) { self.run = run }

    func score(_ inputs: [Column], rows: Int, into columns: [Column], arena: BatchArena) {
        switch run {
        case .narrow(let run): run.score(inputs, rows: rows, into: columns, arena: arena)
        case .wideFloat(let run): run.score(inputs, rows: rows, into: columns, arena: arena)
        case .wide(let run): run.score(inputs, rows: rows, into: columns, arena: arena)
        case .generalFloat(let run): run.score(inputs, rows: rows, into: columns, arena: arena)
        case .general(let run): run.score(inputs, rows: rows, into: columns, arena: arena)
        }
    }
}
