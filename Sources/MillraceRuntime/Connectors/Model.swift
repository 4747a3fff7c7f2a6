public import MillraceCore

/// What a model file says of itself.
public struct ModelSignature: Hashable, Sendable {
    public struct Column: Hashable, Sendable {
        /// Empty when the file has no name for it.
        public var name: String
        public var type: DataType
        public init(name: String, type: DataType) {
            self.name = name
            self.type = type
        }
    }
    /// Scalar inputs, flattened: a tensor of N features is N columns.
    public var inputs: [Column]
    public var outputs: [Column]
    /// Facts for `millrace model inspect`: format, trees, opset, producer.
    public var facts: [String]
    public init(inputs: [Column], outputs: [Column], facts: [String] = []) {
        self.inputs = inputs
        self.outputs = outputs
        self.facts = facts
    }
}

/// A loaded model: immutable, shared by all shards.
public protocol Model: AnyObject, Sendable {
    var signature: ModelSignature { get }
    /// Hex SHA-256 of the file, the first 16 digits; for a directory over its files in path order.
    var version: String { get }
    /// The whole hash, for receipts; `version` where a provider has no more.
    var contentHash: String { get }
    /// A scorer for columns of these types. Checks count and types against the signature.
    func makeScorer(inputs: Schema, outputs: Schema, maxRows: Int) throws(Diagnostic) -> any Scorer
}

extension Model {
    public var contentHash: String { version }
}

/// Scores rows; owned by one shard thread, owns every buffer.
public protocol Scorer: AnyObject {
    /// Scores `rows` rows of `inputs` (one column an INPUT) and fills `outputs` (one column an OUTPUT, cleared first).
    ///
    /// NULL features are NaN where the model knows missing values, else the row gets `.modelError`. A NaN result gets
    /// `.modelNotANumber`; an error of the model gets `.modelError` for the rows it concerns. An input error cell passes on.
    func score(_ inputs: [Column], rows: Int, into outputs: [Column], arena: BatchArena)
}
