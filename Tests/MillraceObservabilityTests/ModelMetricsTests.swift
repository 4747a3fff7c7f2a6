import MillraceObservability
import MillraceRuntime
import Testing

struct ModelMetricsTests {
    @Test func modelsAreOnThePage() {
        var counts = ModelCounts()
        counts.timedOutRows = 3
        counts.overrunRows = 2
        counts.canaryRows = 7
        counts.shadow.comparedRows = 10
        counts.shadow.disagreedRows = 1
        counts.shadow.failedRows = 4
        counts.shadow.skippedRows = 5
        counts.shadow.numbers = 10
        counts.shadow.absoluteDifferenceSum = 2.5
        counts.shadow.absoluteDifferenceMax = 1.25
        let metrics = PipelineMetrics()
        #expect(!PrometheusText.text(metrics.snapshot(), pipeline: "p").contains("millrace_model"))
        metrics.observeModels { [counts] in
            [
                ModelStatus(model: "fraud", role: .live, version: "ab", swaps: 2, refusedSwaps: 1, counts: counts),
                ModelStatus(
                    model: "fraud", role: .shadow, version: "cd", swaps: 0, refusedSwaps: 0, counts: ModelCounts()),
                ModelStatus(
                    model: "price", role: .live, version: "ef", swaps: 0, refusedSwaps: 0, counts: ModelCounts()),
            ]
        }
        let lines = PrometheusText.text(metrics.snapshot(), pipeline: "p").split(separator: "\n")
        for line in [
            #"millrace_model_info{pipeline="p",model="fraud",role="live",version="ab"} 1"#,
            #"millrace_model_info{pipeline="p",model="fraud",role="shadow",version="cd"} 1"#,
            #"millrace_model_swaps_total{pipeline="p",model="fraud",role="live"} 2"#,
            #"millrace_model_refused_swaps_total{pipeline="p",model="fraud",role="live"} 1"#,
            #"millrace_predict_timed_out_rows_total{pipeline="p",model="fraud"} 3"#,
            #"millrace_predict_overrun_rows_total{pipeline="p",model="fraud"} 2"#,
            #"millrace_predict_canary_rows_total{pipeline="p",model="fraud"} 7"#,
            #"millrace_predict_canary_rows_total{pipeline="p",model="price"} 0"#,
            #"millrace_shadow_rows_total{pipeline="p",model="fraud",outcome="disagreed"} 1"#,
            #"millrace_shadow_rows_total{pipeline="p",model="fraud",outcome="skipped"} 5"#,
            #"millrace_shadow_difference_mean{pipeline="p",model="fraud"} 0.25"#,
            #"millrace_shadow_difference_max{pipeline="p",model="fraud"} 1.25"#,
        ] { #expect(lines.contains { $0 == line }, "\(line)") }
        #expect(!lines.contains { $0.hasPrefix("millrace_shadow") && $0.contains("price") })
    }
}
