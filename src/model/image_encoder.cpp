#include "cloob/model/image_encoder.h"

#include <memory>

namespace cloob {

ImageEncoder make_image_encoder(const ModelConfig& config, Initializer& initializer) {
  // The holder only accepts a pointer to its own module type, so the concrete encoders are converted first.
  std::shared_ptr<ImageEncoderImpl> encoder;
  switch (config.image.kind) {
    case ImageEncoderKind::resnet:
      encoder = std::make_shared<ModifiedResNetImpl>(config.image, config.embed_dim, initializer);
      break;
    case ImageEncoderKind::vit:
      encoder = std::make_shared<VisionTransformerImpl>(config.image, config.image_activation(),
                                                        config.embed_dim, initializer);
      break;
  }
  return ImageEncoder(encoder);
}

}  // namespace cloob
