import MillraceCore
import MillraceRuntime

/// One input or output of a signature, as `saved_model.pb` declares it.
struct SavedModelTensor: Hashable, Sendable {
    /// Key in the signature: what the model's author called it.
    var key: String
    /// Node and output of the graph, `operation:index` in the file.
    var operation: String
    var index: Int32
    /// `tensorflow.DataType`.
    var dtype: Int32
    /// Nil for an unknown rank; -1 for an unknown dimension.
    var shape: [Int64]?

    var element: TensorElement? { TensorElement(tensorFlow: dtype) }

    /// Values a row, when the file says it and the rows are the first dimension; nil otherwise.
    var width: Int? {
        guard let shape, let rows = shape.first, rows == -1 || rows == 1 else { return nil }
        var width = 1
        for size in shape.dropFirst() {
            guard size > 0, size <= 1 << 16 else { return nil }
            width *= Int(size)
            guard width <= 1 << 16 else { return nil }
        }
        return width
    }

    var text: String {
        let type = element.map { "\($0)" } ?? "type \(dtype)"
        let sizes = shape.map { $0.map { $0 < 0 ? "?" : "\($0)" }.joined(separator: ", ") } ?? "unknown rank"
        return "\(key) \(type)[\(sizes)]"
    }
}

/// A named entry point of a SavedModel. Inputs and outputs are sorted by key: their order in the file has no meaning.
struct SavedModelSignature: Hashable, Sendable {
    var name: String
    var inputs: [SavedModelTensor]
    var outputs: [SavedModelTensor]
}

/// The part of `saved_model.pb` that says how the model is called, read without TensorFlow.
///
/// Field numbers: tensorflow/core/protobuf/saved_model.proto and meta_graph.proto. The graph itself is skipped.
enum SavedModelFile {
    /// The graph that serves; the tag every exporter sets.
    static let tag = "serve"
    private static let limit = 4096

    /// The signatures of the graph tagged `serve`, sorted by name.
    static func signatures(_ file: [UInt8]) throws(ModelFileFault) -> [SavedModelSignature] {
        var reader = ProtobufReader(file)
        var tags: [[String]] = []
        while let (field, value) = try reader.next() {
            guard field == 2 else { continue }
            let graph = try metaGraph(reader.message(value))
            if graph.tags == [tag] { return graph.signatures }
            tags.append(graph.tags)
            guard tags.count <= 64 else { throw .damaged("it has more than 64 graphs") }
        }
        guard !tags.isEmpty else { throw .damaged("it has no graph") }
        throw .unsupported(
            "it has no graph with the tag \"\(tag)\"",
            hint: "Its graphs are tagged "
                + tags.map { "{" + $0.joined(separator: ", ") + "}" }.joined(separator: ", ")
                + ". Export it for serving.")
    }

    private static func metaGraph(_ message: ProtobufReader) throws(ModelFileFault) -> (
        tags: [String], signatures: [SavedModelSignature]
    ) {
        var reader = message
        var tags: [String] = []
        var signatures: [String: SavedModelSignature] = [:]
        while let (field, value) = try reader.next() {
            switch field {
            case 1:
                var info = try reader.message(value)
                while let (field, value) = try info.next() {
                    if field == 4 { tags.append(try info.text(value)) }
                }
            case 5:
                let (key, value) = try entry(reader.message(value))
                if let value { signatures[key] = try signature(key, value) }
            default: break
            }
            guard tags.count <= limit, signatures.count <= limit else { throw .damaged("it has too many signatures") }
        }
        return (tags, signatures.values.sorted { $0.name < $1.name })
    }

    /// A map's entry: its key, and its value as a message.
    private static func entry(_ message: ProtobufReader) throws(ModelFileFault) -> (String, ProtobufReader?) {
        var reader = message
        var key = ""
        var content: ProtobufReader?
        while let (field, value) = try reader.next() {
            switch field {
            case 1: key = try reader.text(value)
            case 2: content = try reader.message(value)
            default: break
            }
        }
        return (key, content)
    }

    private static func signature(_ name: String, _ message: ProtobufReader) throws(ModelFileFault)
        -> SavedModelSignature
    {
        var reader = message
        var inputs: [String: SavedModelTensor] = [:]
        var outputs: [String: SavedModelTensor] = [:]
        while let (field, value) = try reader.next() {
            guard field == 1 || field == 2 else { continue }
            let (key, content) = try entry(reader.message(value))
            guard let content else { continue }
            let tensor = try tensor(key, content)
            if field == 1 { inputs[key] = tensor } else { outputs[key] = tensor }
            guard inputs.count <= limit, outputs.count <= limit else {
                throw .damaged("signature \"\(name)\" has too many tensors")
            }
        }
        return SavedModelSignature(
            name: name, inputs: inputs.values.sorted { $0.key < $1.key },
            outputs: outputs.values.sorted { $0.key < $1.key })
    }

    private static func tensor(_ key: String, _ message: ProtobufReader) throws(ModelFileFault) -> SavedModelTensor {
        var reader = message
        var tensor = SavedModelTensor(key: key, operation: "", index: 0, dtype: 0, shape: nil)
        while let (field, value) = try reader.next() {
            switch field {
            case 1:
                let name = try reader.text(value)
                guard let colon = name.lastIndex(of: ":") else {
                    tensor.operation = name
                    continue
                }
                guard let index = Int32(name[name.index(after: colon)...]), index >= 0 else {
                    throw .damaged("tensor \"\(key)\" is at \"\(name)\"")
                }
                tensor.operation = String(name[..<colon])
                tensor.index = index
            case 2:
                guard let dtype = Int32(exactly: try reader.integer(value)) else {
                    throw .damaged("tensor \"\(key)\" has no known type")
                }
                tensor.dtype = dtype
            case 3: tensor.shape = try shape(reader.message(value))
            default: break
            }
        }
        return tensor
    }

    private static func shape(_ message: ProtobufReader) throws(ModelFileFault) -> [Int64]? {
        var reader = message
        var sizes: [Int64] = []
        var isUnknown = false
        while let (field, value) = try reader.next() {
            switch field {
            case 2:
                var dimension = try reader.message(value)
                var size: Int64 = 0
                while let (field, value) = try dimension.next() {
                    if field == 1 { size = try dimension.integer(value) }
                }
                sizes.append(size)
                guard sizes.count <= 254 else { throw .damaged("a tensor has more than 254 dimensions") }
            case 3: isUnknown = try reader.integer(value) != 0
            default: break
            }
        }
        return isUnknown ? nil : sizes
    }
}
