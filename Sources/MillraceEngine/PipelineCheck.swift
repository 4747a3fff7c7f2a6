public import MillraceCore
internal import MillraceKafka
internal import MillraceModels
internal import MillracePlanner
internal import MillracePostgres
internal import MillraceRuntime

/// The checks of `millrace check` beyond the file itself.
public enum PipelineCheck {
    /// Loads every model and compares its signature with the SQL.
    public static func models(_ plan: ExecutionPlan, baseDirectory: String) -> [Diagnostic] {
        plan.models.compactMap { model in
            do throws(Diagnostic) {
                let loaded = try ModelProviders.load(model, baseDirectory: baseDirectory)
                _ = try loaded.makeScorer(inputs: model.inputs, outputs: model.outputs, maxRows: 1)
                return nil
            } catch {
                return error
            }
        }
    }

    /// Compares topics, tables, columns and types with the real broker and database.
    public static func outside(_ plan: ExecutionPlan) -> [Diagnostic] {
        topics(plan) + PostgresConnector.check(plan: plan)
    }

    private static func topics(_ plan: ExecutionPlan) -> [Diagnostic] {
        var found: [Diagnostic] = []
        for source in plan.sources where source.connector == "kafka" {
            do throws(Diagnostic) { try KafkaConnector.checkTopics(plan: source) } catch { found.append(error) }
        }
        for sink in plan.sinks where sink.connector == "kafka" {
            do throws(Diagnostic) { try KafkaConnector.checkTopics(plan: sink) } catch { found.append(error) }
        }
        return found
    }
}

extension PipelineFile {
    /// The plan as text for a person; empty when there is none.
    public var explanation: String { plan.map { Explain.text($0) } ?? "" }
}
